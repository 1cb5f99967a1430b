import type { BrokerAdmin, BrokerDriver } from '../../core/broker.ts';
import type { Profiler } from '../profiler.ts';
import type { OwnServers } from '../servers.ts';
import type { Capture } from './capture.ts';
import type { CaptureBook, Side, Variant } from './figures.ts';
import type { Lanes } from './lane.ts';
import type { OutboxWriter } from './outbox-table.ts';
import type { Plan } from './plan.ts';

/** What every measurement works with. */
export interface BenchContext {
  readonly plan: Plan;
  readonly servers: OwnServers;
  readonly admin: BrokerAdmin;
  readonly driver: BrokerDriver;
  readonly writer: OutboxWriter;
  readonly lanes: Lanes;
  readonly book: CaptureBook;
  readonly sides: readonly Side[];
  readonly captures: Readonly<Record<Exclude<Variant, 'debezium-cold'>, Capture>>;
  /** When it is to be told where the relay's time goes. */
  readonly profiled: { readonly capture: Capture; readonly profiler: Profiler } | undefined;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}
