import type { BrokerAdmin, Producer } from '../../core/broker.ts';
import type { OwnServers } from '../servers.ts';
import type { Profiler } from '../profiler.ts';
import type { ProcessingBook, Variant } from './figures.ts';
import type { Plan } from './plan.ts';

/** The compiled programs, by name. */
export interface Programs {
  readonly consumer: string;
  readonly step: string;
  readonly next: string;
  readonly relay: string;
  readonly idle: string;
  readonly soak: string;
}

/** What every measurement works with. */
export interface BenchContext {
  /** Begins the name of every topic, group and database: a lower-case word. */
  readonly namespace: string;
  readonly plan: Plan;
  readonly servers: Pick<OwnServers, 'postgresUrl' | 'kafkaBrokers' | 'registryUrl' | 'dataFolder'>;
  readonly admin: BrokerAdmin;
  /** Started. */
  readonly producer: Producer;
  readonly programs: Programs;
  readonly book: ProcessingBook;
  /** Who is measured. */
  readonly sides: readonly Variant[];
  /** When it is to be told where the time goes. */
  readonly profiler: Profiler | undefined;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}
