/**
 * The places where the relay can die between two effects, for tests that kill it at each. Every await that stands between
 * a row and its acknowledgement has one.
 */
export const RELAY_FAILPOINTS = [
  'rows-taken',
  'batch-encoded',
  'batch-sent',
  'batch-acknowledged',
  'stop-drained',
  'stop-confirmed',
] as const;
export type RelayFailpoint = (typeof RELAY_FAILPOINTS)[number];

export type Failpoint = (label: RelayFailpoint) => Promise<void>;

export const NO_FAILPOINT: Failpoint = async () => undefined;
