import type { Clock } from '../../core/clock.ts';
import { ClassifiedError, classified } from '../../core/errors.ts';
import type { LogFields, Logger } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { Offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';
import type { Lookout, QuietSight } from './backlog.ts';
import { Backlog } from './backlog.ts';
import type { PartitionEpoch } from './partition-epoch.ts';
import { pause } from './pause.ts';
import type { RecordInHand } from './record-in-hand.ts';
import type { PartitionSight, StallJudgement, StallMemory, StallStep, StallThresholds, StandsFor } from './stall.ts';
import { judgeStall } from './stall.ts';

const INTERVAL_MAX_MS = 15_000;
/** Lines of one dump. */
const DUMPED_PARTITIONS_MAX = 100;

type Epoch = PartitionEpoch<RecordInHand>;

interface StallWatchOptions {
  readonly group: string;
  readonly thresholds: StallThresholds;
  /** Left out: only records in hand are known of. */
  readonly lookout: Lookout | undefined;
  /** Those that are assigned and stay; none while there is nothing to watch. */
  readonly partitions: () => readonly Epoch[];
  readonly standsFor: (epoch: Epoch) => StandsFor | undefined;
  readonly isPaused: (epoch: Epoch) => boolean;
  /** Makes the consumer anew; resolves when it has its partitions. */
  readonly renew: () => Promise<void>;
  /** Nothing has helped. */
  readonly onFatal: (error: ClassifiedError) => void;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** What the group's health says of a stall. */
export interface StallFacts {
  readonly partitions: number;
  readonly longest: TopicPartition;
  readonly longestMs: number;
}

/**
 * Watches for partitions that are assigned, have a record to handle, wait for nothing and do not get on: a client that has
 * stopped to fetch without a word, or a loop that has lost a turn. Says so, makes the consumer anew, and in the end gives up.
 */
export class StallWatch {
  private readonly options: StallWatchOptions;
  private readonly backlog: Backlog | undefined;
  private readonly intervalMs: number;
  private memory: StallMemory = new Map();
  private positions = new Map<string, Offset | undefined>();
  private ends = new Map<string, Offset>();
  private stalled: StallJudgement['stalled'] = [];

  constructor(options: StallWatchOptions) {
    this.options = options;
    this.backlog = options.lookout === undefined ? undefined : new Backlog(options.lookout, options.group);
    this.intervalMs = Math.min(INTERVAL_MAX_MS, options.thresholds.reportMs / 4);
  }

  /** As of the last look; undefined while nothing stands. */
  get facts(): StallFacts | undefined {
    const [longest] = this.stalled;
    return longest === undefined ? undefined : { partitions: this.stalled.length, longest, longestMs: longest.silentMs };
  }

  /** Looks until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.options;
    let lookedAtMs = clock.monotonicMs();
    for (;;) {
      await pause(clock, this.intervalMs, signal);
      if (signal.aborted) return;
      const nowMs = clock.monotonicMs();
      // A process that was frozen has not seen the time that it missed.
      const elapsedMs = Math.min(nowMs - lookedAtMs, 2 * this.intervalMs);
      lookedAtMs = nowMs;
      try {
        await this.look(elapsedMs);
      } catch (error) {
        const { code } = classified(error, 'KAFKA_UNAVAILABLE', 'the ends of the partitions could not be read');
        logger.debug({ 'error.code': code }, 'whether the group gets on could not be looked at');
      }
    }
  }

  /** One look, and what follows from it. Rejects when the log cannot be looked at: what is not known is no stall. */
  async look(elapsedMs: number): Promise<void> {
    const { metrics, group, logger, thresholds } = this.options;
    const epochs = this.options.partitions();
    const { step, memory, stalled } = judgeStall(this.memory, await this.sightsOf(epochs), elapsedMs, thresholds);
    const before = this.stalled.length;
    this.memory = memory;
    this.stalled = stalled;
    metrics.gauge('millrace_stalled_partitions', { group }, stalled.length);
    if (before > 0 && stalled.length === 0) logger.info({}, 'no partition stands still any more');
    await this.take(step, epochs);
  }

  private async take(step: StallStep, epochs: readonly Epoch[]): Promise<void> {
    const { metrics, group, logger } = this.options;
    const fields = { partitions: this.stalled.length, stalled_ms: this.facts?.longestMs };
    switch (step) {
      case 'fine':
      case 'report':
        return;
      case 'dump':
        logger.warn(fields, 'partitions are behind, wait for nothing and do not get on');
        this.dump(epochs);
        return;
      case 'recreate':
        logger.error(fields, 'partitions still do not get on: the consumer is made anew');
        this.dump(epochs);
        metrics.count('millrace_consumers_recreated_total', { group });
        await this.renew();
        return;
      case 'end-process':
        this.dump(epochs);
        this.options.onFatal(new ClassifiedError('CONSUMER_STALLED', 'the group does not get on, with a new consumer either'));
    }
  }

  private async renew(): Promise<void> {
    try {
      await this.options.renew();
    } catch (error) {
      this.options.onFatal(classified(error, 'KAFKA_UNAVAILABLE', 'the consumer could not be made anew'));
    }
  }

  private async sightsOf(epochs: readonly Epoch[]): Promise<PartitionSight[]> {
    const seen = epochs.map((epoch) => ({ epoch, position: epoch.position, standsFor: this.options.standsFor(epoch) }));
    const before = this.positions;
    this.positions = new Map(seen.map(({ epoch, position }) => [nameOf(epoch), position]));
    const quiet = seen.filter(({ epoch, position, standsFor }) => {
      const hasMoved = position !== undefined && before.get(nameOf(epoch)) !== position;
      return !hasMoved && standsFor === undefined && epoch.span === 0;
    });
    const inLog = new Map<Epoch, QuietSight | undefined>();
    if (quiet.length > 0 && this.backlog !== undefined) {
      const places = quiet.map(({ epoch: { topic, partition }, position }) => ({ topic, partition, position }));
      const sights = await this.backlog.look(places);
      quiet.forEach(({ epoch }, index) => inLog.set(epoch, sights[index]));
    }
    this.ends = new Map([...inLog].flatMap(([epoch, sight]) => (sight === undefined ? [] : [[nameOf(epoch), sight.end]])));
    return seen.flatMap(({ epoch, position, standsFor }) => {
      const { topic, partition } = epoch;
      const sight = inLog.get(epoch);
      const place = sight?.position ?? position;
      // A stay whose place is not known yet shows neither progress nor a stall: what was done for its partition stays done.
      if (place === undefined) return [];
      // Parked records that are in hand have their offsets behind them. What came while the log was looked at shows in the next look.
      const isBehind = epoch.span > 0 || sight?.isBehind === true;
      return [{ topic, partition, position: place, isBehind, standsFor }];
    });
  }

  private dump(epochs: readonly Epoch[]): void {
    const { logger } = this.options;
    const longest = this.stalled.map(nameOf);
    const rank = (epoch: Epoch): number => (longest.includes(nameOf(epoch)) ? longest.indexOf(nameOf(epoch)) : longest.length);
    const sorted = [...epochs].sort((a, b) => rank(a) - rank(b));
    for (const epoch of sorted.slice(0, DUMPED_PARTITIONS_MAX)) logger.warn(this.rowOf(epoch), 'how the partition stands');
  }

  /** Places, counts, ages and declared names: nothing of what records hold. */
  private rowOf(epoch: Epoch): LogFields {
    const { clock } = this.options;
    const attempts = [...epoch.inHand].flatMap(({ running }) => (running === undefined ? [] : [running]));
    const oldest = attempts.reduce<(typeof attempts)[number] | undefined>(
      (first, one) => (first === undefined || one.beganAtMs < first.beganAtMs ? one : first),
      undefined,
    );
    return {
      'kafka.topic': epoch.topic,
      'kafka.partition': epoch.partition,
      'kafka.offset': epoch.position,
      end: this.ends.get(nameOf(epoch)) ?? epoch.highWatermark,
      stalled_ms: this.stalled.find((one) => nameOf(one) === nameOf(epoch))?.silentMs ?? 0,
      stands_for: this.options.standsFor(epoch) ?? 'nothing',
      records: epoch.records,
      bytes: epoch.bytes,
      lanes: new Set([...epoch.inHand].map(({ lane }) => lane)).size,
      attempts: attempts.length,
      oldest_attempt_ms: oldest === undefined ? undefined : Math.round(clock.monotonicMs() - oldest.beganAtMs),
      oldest_attempt_event: oldest?.eventType,
      paused: this.options.isPaused(epoch),
    };
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
