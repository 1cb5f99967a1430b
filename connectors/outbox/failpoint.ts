import type { StreamFailpoint } from '../replication/failpoint.ts';
import { STREAM_FAILPOINTS } from '../replication/failpoint.ts';

/**
 * The places where the relay can die between two effects, for tests that kill it at each: one for every await, and every
 * turn, of which the crash window differs. `stop-…` lie on the way of a stop only, `letter-…` and `batch-split` on that of a
 * row which is refused, `row-waiting` where encoder or brokers have to be asked, `standby-waiting` behind a slot in use.
 */
export const RELAY_FAILPOINTS = [
  ...STREAM_FAILPOINTS,
  'decoded',
  'row-waiting',
  'batch-sealed',
  'batch-sealed-mid-transaction',
  'batch-sent',
  'batch-acknowledged',
  'ledger-moved',
  'batch-split',
  'letter-sealed',
  'letter-sent',
  'letter-acknowledged',
  'stop-draining',
  'stop-drained',
] as const;
export type RelayFailpoint = StreamFailpoint | (typeof RELAY_FAILPOINTS)[number];

/** What it returns is awaited where the relay can wait; at the places inside a read nobody can, there only a kill works. */
export type Failpoint = (label: RelayFailpoint) => Promise<void> | undefined;
