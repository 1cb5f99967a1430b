import type { BrokerDriver, Producer } from '../../core/broker.ts';
import type { Clock } from '../../core/clock.ts';
import type { PayloadDecoder } from '../../core/codec.ts';
import type { DeadLetterDialect } from '../../core/dead-letter-dialect.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { ParkedRecords } from '../../core/parked-records.ts';
import type { RetryPolicy } from '../../core/retry-policy.ts';
import type { Dependency } from '../../core/dependency.ts';
import type { BreakerSettings } from './dependency-breaker.ts';
import type { Lookout } from './backlog.ts';
import type { EventHandler } from './event-handler.ts';
import type { Failpoint } from './failpoint.ts';
import { NO_FAILPOINT } from './failpoint.ts';
import type { IntakeLimits } from './intake-valve.ts';
import type { GiveUpPolicy } from './parking.ts';
import type { StallThresholds } from './stall.ts';
import { DEFAULT_STALL } from './stall.ts';

export interface GroupLimits extends IntakeLimits {
  /** Keys that are handled at the same time. */
  readonly concurrencyMax: number;
  /** Keys that may wait for a retry at the same time; above it intake waits. */
  readonly parkedKeysMax: number;
}

const DEFAULT_LIMITS: Omit<GroupLimits, 'inFlightRecordsMax'> = {
  concurrencyMax: 64,
  parkedKeysMax: 100_000,
  inFlightBytesMax: 32 * 1_048_576,
  spanMax: 100_000,
};

/**
 * Some records in hand for each that runs, so that its place is taken again at once, and enough that keys which come often
 * do not hide the others. More of them would only grow old in memory, which costs the collector more than anything else here.
 */
function recordsInHand(concurrencyMax: number): number {
  return Math.min(10_000, Math.max(2_000, 5 * concurrencyMax));
}

/** Half of at least five keys, of the hundred that were seen last, within the time of the whole retry ladder. */
export const DEFAULT_BREAKER: BreakerSettings = {
  keysMin: 5,
  failurePercent: 50,
  keysMax: 100,
  windowMs: 600_000,
  suspectWaitMs: 3_000,
  probeMaxMs: 10_000,
};

export interface ConsumerGroupOptions {
  readonly group: string;
  /** The running service, as dead letters name it. */
  readonly service: string;
  readonly topics: readonly string[];
  readonly broker: Pick<BrokerDriver, 'consumer'>;
  /** Writes dead letters. Started and stopped by whoever owns it, after and before this group. */
  readonly producer: Pick<Producer, 'send'>;
  readonly decoder: PayloadDecoder;
  readonly handler: EventHandler;
  /** The types that the handler reads; others that are known leave as `skipped`. */
  readonly wanted: ReadonlySet<string>;
  /** Every type that the pipeline declares; a record of any other type is dead-lettered. */
  readonly known: ReadonlySet<string>;
  readonly deadLetterTopicOf: (topic: string) => string;
  readonly retryPolicy: RetryPolicy;
  /** An attempt that takes longer counts as failed. Also how long a stop waits for what runs: no event's own time is longer. */
  readonly handlerTimeoutMs: number;
  /** The time of one type's attempts, where it is shorter. */
  readonly timeoutMsOf?: (eventType: string) => number;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Numbers in [0, 1). */
  readonly random: () => number;
  /** The group gave up: it takes nothing in any more and does not come back by itself. Called once. */
  readonly onFatal: (error: ClassifiedError) => void;
  /** Where records wait for their next attempt. */
  readonly parked: ParkedRecords;
  /** What becomes of a key when one of its records was given up; by default it goes on. */
  readonly giveUp?: GiveUpPolicy;
  /** Topics whose records do not wait behind other parked records of their key. */
  readonly overtakingTopics?: ReadonlySet<string>;
  /** How often it is looked for what somebody else has changed among the parked records. */
  readonly parkedLookMs?: number;
  /** Whose headers dead letters carry beside our own; none when left out. */
  readonly deadLetterDialects?: readonly DeadLetterDialect[];
  /** Event types whose handling makes a declared call, and what it calls: the other types go on while that is away. */
  readonly calls?: ReadonlyMap<string, Dependency>;
  /** What only some records turn out to need, which nothing tells beforehand: while it is away those wait, and the others go on. */
  readonly occasional?: ReadonlySet<Dependency>;
  /** For the watch over the consumer; left out: it knows only of records that were delivered. */
  readonly lookout?: Lookout;
  /** When a group that does not get on is said to, gets another consumer, and ends the process. */
  readonly stall?: StallThresholds;
  readonly breaker?: Partial<BreakerSettings>;
  readonly limits?: Partial<GroupLimits>;
  /** Offsets of finished records are committed this often … */
  readonly commitIntervalMs?: number;
  /** … or when so many have finished since. */
  readonly commitRecordsMax?: number;
  readonly sessionTimeoutMs?: number;
  readonly rebalanceTimeoutMs?: number;
  readonly failpoint?: Failpoint;
}

export type ConsumerGroupSettings = Required<Omit<ConsumerGroupOptions, 'limits' | 'breaker' | 'lookout'>> & {
  readonly lookout: Lookout | undefined;
  readonly limits: GroupLimits;
  readonly breaker: BreakerSettings;
  /** How long a partition that is taken away may take to come to rest. */
  readonly drainMs: number;
};

export function withDefaults(options: ConsumerGroupOptions): ConsumerGroupSettings {
  const sessionTimeoutMs = options.sessionTimeoutMs ?? 30_000;
  const rebalanceTimeoutMs = options.rebalanceTimeoutMs ?? 60_000;
  return {
    giveUp: 'continue',
    overtakingTopics: new Set(),
    parkedLookMs: 3_000,
    deadLetterDialects: [],
    calls: new Map(),
    occasional: new Set(),
    commitIntervalMs: 200,
    commitRecordsMax: 10_000,
    failpoint: NO_FAILPOINT,
    timeoutMsOf: () => options.handlerTimeoutMs,
    lookout: undefined,
    stall: DEFAULT_STALL,
    ...options,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    limits: {
      ...DEFAULT_LIMITS,
      inFlightRecordsMax: recordsInHand(options.limits?.concurrencyMax ?? DEFAULT_LIMITS.concurrencyMax),
      ...options.limits,
    },
    breaker: { ...DEFAULT_BREAKER, ...options.breaker },
    // The whole group stands still while one of its members drains, and the commit that follows may take as long.
    drainMs: Math.min(sessionTimeoutMs, rebalanceTimeoutMs) / 3,
  };
}
