import { setMaxListeners } from 'node:events';
import type { Dependency } from '../../core/dependency.ts';
import { ClassifiedError, classified } from '../../core/errors.ts';
import type { HandlerResult, Outcome } from '../../core/outcome.ts';
import type { ParkedRecord } from '../../core/parked-records.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import { AttemptDeadlines } from './attempt-deadlines.ts';
import { beginAttempt, type AttemptDeps, type AttemptEnded } from './attempt.ts';
import { Balance } from './balance.ts';
import type { BreakerFacts } from './breakers.ts';
import { Breakers } from './breakers.ts';
import { Burial } from './burial.ts';
import type { ConsumerGroupSettings } from './consumer-group-options.ts';
import type { NextStep } from './decide-door.ts';
import { decideDoor } from './decide-door.ts';
import { NO_FAILPOINT, type Failpoint } from './failpoint.ts';
import type { LaneVerdict } from './key-lanes.ts';
import { AGAIN, FINISHED, KeyLanes } from './key-lanes.ts';
import { laneOf } from './lane.ts';
import { Parking } from './parking.ts';
import type { PartitionEpoch } from './partition-epoch.ts';
import { pause } from './pause.ts';
import type { RecordInHand } from './record-in-hand.ts';
import { takeInHand } from './record-in-hand.ts';
import { recordLogFields } from './record-log-fields.ts';
import type { StandsFor } from './stall.ts';
import { standsFor } from './stands-for.ts';

interface RecordLoopOptions {
  readonly settings: ConsumerGroupSettings;
  /** A record of the partition left by a door. */
  readonly onLeft: (partition: PartitionEpoch) => void;
  /** A breaker opened, for the reason, or closed. */
  readonly onBreaker: (breaker: BreakerFacts, reason: ClassifiedError | undefined) => void;
  /** Intake is to wait, or may go on. */
  readonly onIntake: (shut: boolean) => void;
  /** The error is fatal for the group. */
  readonly onFatal: (error: ClassifiedError) => void;
}

/** So many keys wait that what they share must be away: it is waited for, as for any other outage. */
const FULL: NextStep = { kind: 'wait-for-dependency', error: new ClassifiedError('PARKING_FULL', 'no further key may wait for a retry') };

/**
 * The way of a record through a group: into its lane, one attempt after another, and out by one of the four doors. Nothing
 * here throws: whatever goes wrong with a record ends at a door, waits for a dependency, or halts the group.
 */
export class RecordLoop {
  readonly balance = new Balance();
  readonly breakers: Breakers<RecordInHand>;
  readonly burial: Burial;
  readonly parking: Parking;
  private readonly options: RecordLoopOptions;
  private readonly settings: ConsumerGroupSettings;
  readonly lanes: KeyLanes<RecordInHand>;
  private readonly deadlines: AttemptDeadlines;
  private readonly attemptDeps: AttemptDeps;
  /** Left out where nobody has set one: awaiting nothing costs time, too. */
  private readonly failpoint: Failpoint | undefined;
  private readonly labels: { readonly group: string };
  private readonly stopped = new AbortController();
  private readonly onAttempted: AttemptEnded = (item, result) => {
    if (result.kind === 'failed') this.countFailure(result.error);
    try {
      if (this.failpoint === undefined) this.attempted(item, result);
      else this.after(this.failpoint('after-handler'), item, () => this.attempted(item, result));
    } catch (error) {
      this.broke(item, error);
    }
  };

  constructor(options: RecordLoopOptions) {
    const { settings } = options;
    const sleep = (ms: number): Promise<void> => pause(settings.clock, ms, this.stopped.signal);
    // As many records as there are may sleep on it at once.
    setMaxListeners(0, this.stopped.signal);
    this.options = options;
    this.settings = settings;
    this.labels = { group: settings.group };
    this.deadlines = new AttemptDeadlines(settings.clock);
    this.failpoint = settings.failpoint === NO_FAILPOINT ? undefined : settings.failpoint;
    this.lanes = new KeyLanes({
      concurrencyMax: settings.limits.concurrencyMax,
      run: (item) => this.run(item),
      onDefect: (error) => this.halt(classified(error, 'UNCLASSIFIED', 'the loop met an error of its own')),
    });
    this.breakers = new Breakers({
      settings: settings.breaker,
      concurrencyMax: settings.limits.concurrencyMax,
      ...needsOf(settings),
      nowMs: () => settings.clock.monotonicMs(),
      random: settings.random,
      pause: sleep,
      onSwitch: options.onBreaker,
      onIntake: options.onIntake,
    });
    this.attemptDeps = { ...settings, deadlines: this.deadlines, breakers: this.breakers };
    this.burial = new Burial({ ...settings, pause: sleep, onBuried: (item, error) => this.buried(item, error) });
    this.parking = new Parking({
      ...settings,
      store: settings.parked,
      policy: settings.giveUp,
      activeMax: settings.limits.concurrencyMax,
      lanesMax: settings.limits.parkedKeysMax,
      handOver: (parked, epoch) => this.reenter(parked, epoch),
      onSettled: (item, outcome) => void this.leave(item, outcome),
      onRefused: (item, error) => this.refused(item, error),
    });
  }

  takeIn(epoch: PartitionEpoch<RecordInHand>, record: ConsumedRecord): void {
    const item = takeInHand(record, epoch, laneOf(record, this.settings.overtakingTopics), this.settings.clock.monotonicMs());
    if (epoch.span === 0) epoch.progressAtMs = item.takenAtMs;
    epoch.begin(item);
    this.enter(item);
  }

  /** A parked record's turn has come: it is in once more, and leaves once more. */
  private reenter(parked: ParkedRecord, epoch: PartitionEpoch<RecordInHand>): void {
    const item = takeInHand(parked.record, epoch, parked.lane, this.settings.clock.monotonicMs(), parked);
    epoch.reenter(item);
    this.enter(item);
  }

  private enter(item: RecordInHand): void {
    this.balance.enter(item.record.topic);
    this.lanes.push(item);
  }

  /** Takes what has not begun out of the partitions that leave. A dead letter on its way, or that others wait for, is let through. */
  withdraw(): RecordInHand[] {
    return this.lanes.remove((item) => item.epoch.leaving && !item.burying && !item.buried && !this.parking.isRefused(item));
  }

  /** The record goes back to Kafka undone. If it runs it is cut off, and its late end finds it gone. */
  giveBack(item: RecordInHand): void {
    if (item.gone) return;
    this.forget(item);
    item.gone = true;
    item.epoch.giveBack(item);
    this.parking.forget(item);
    this.balance.release(item.record.topic);
    this.breakers.release(item);
    item.running?.cutOff(new ClassifiedError('HANDLER_TIMEOUT', 'the partition was given away while the handler ran'));
  }

  /** Why the partition rightly does not get on, if it does not. */
  standsFor(epoch: PartitionEpoch<RecordInHand>, isPaused: boolean): StandsFor | undefined {
    return standsFor(epoch, this, isPaused, this.settings.clock.monotonicMs());
  }

  /** No record begins any more; what runs may end. */
  halt(error: ClassifiedError): void {
    this.lanes.close();
    this.options.onFatal(error);
  }

  stop(): void {
    this.stopped.abort();
    this.deadlines.stop();
    this.parking.stop();
  }

  /** Whether its turn has come; then `begin`, `attempted`, `follow`, and whatever happens, `end`. */
  private run(item: RecordInHand): void {
    item.epoch.runBegins();
    try {
      if (item.parked !== undefined) this.parking.goesOn(item);
      if (item.gone || item.buried) this.end(item, FINISHED);
      else if (!item.epoch.admitted) this.end(item, { kind: 'again', after: item.epoch.admission });
      else if (this.failpoint === undefined) this.begin(item);
      else this.after(this.failpoint('after-intake'), item, () => this.begin(item));
    } catch (error) {
      this.broke(item, error);
    }
  }

  private begin(item: RecordInHand): void {
    const wait = this.held(item);
    if (wait !== undefined) this.end(item, wait);
    // A verdict on its last failure was waited for.
    else if (item.suspected !== undefined) this.attempted(item, { kind: 'failed', error: item.suspected });
    else beginAttempt(item, this.attemptDeps, this.onAttempted);
  }

  /** What is to happen in the place of an attempt. */
  private held(item: RecordInHand): LaneVerdict | undefined {
    if (item.condemnedFor !== undefined) return this.burial.bury(item, item.condemnedFor);
    // Asked first: to wait behind others it needs no dependency, and at the head of its lane it would be in their way.
    const heldFor = item.parked === undefined ? this.parking.heldFor(item.lane) : undefined;
    return heldFor === undefined ? this.breakers.hold(item) : this.park(item, heldFor, 0, 0);
  }

  private attempted(item: RecordInHand, result: HandlerResult): void {
    if (item.gone) {
      this.end(item, FINISHED);
      return;
    }
    const waits = this.breakers.judge(item, result);
    if (waits !== undefined) {
      this.end(item, waits);
      return;
    }
    item.suspected = undefined;
    const wanted = decideDoor(result, item, this.settings.retryPolicy, this.settings.random);
    const next = wanted.kind === 'park' && !this.parking.hasRoomFor(item.lane) ? FULL : wanted;
    this.note(item, result, next);
    this.end(item, this.follow(item, next));
  }

  private follow(item: RecordInHand, next: NextStep): LaneVerdict {
    switch (next.kind) {
      case 'leave':
        return this.leave(item, next.outcome);
      case 'try-at-once':
        item.immediateTries += 1;
        return AGAIN;
      case 'wait-for-dependency':
        return this.breakers.outage(item, next.error);
      case 'park':
        return this.park(item, next.error, item.attempt, next.delayMs);
      case 'dead-letter':
        this.breakers.release(item);
        return this.burial.bury(item, next.error);
      case 'halt':
        this.halt(next.error);
        return AGAIN;
    }
  }

  private end(item: RecordInHand, verdict: LaneVerdict): void {
    if (verdict.kind === 'again' && item.epoch.leaving && !item.burying) this.giveBack(item);
    const reached = item.gone ? FINISHED : verdict;
    if (item.parked !== undefined && reached.kind === 'again' && reached.after !== undefined) this.parking.stands(item);
    item.epoch.runEnds();
    this.lanes.ended(item, reached);
  }

  /** What goes wrong in the loop itself ends in the lanes, which close. */
  private after(failpoint: Promise<void>, item: RecordInHand, next: () => void): void {
    failpoint.then(next).catch((error: unknown) => this.broke(item, error));
  }

  private broke(item: RecordInHand, error: unknown): void {
    item.epoch.runEnds();
    this.lanes.failed(item, error);
  }

  private leave(item: RecordInHand, outcome: Outcome): LaneVerdict {
    if (item.gone) return FINISHED;
    const { group, metrics, clock, logger } = this.settings;
    const { topic } = item.record;
    const now = clock.monotonicMs();
    this.forget(item);
    this.breakers.release(item);
    item.gone = true;
    if (item.parked === undefined) {
      item.epoch.finish(item);
      item.epoch.progressAtMs = now;
    } else item.epoch.giveBack(item);
    this.balance.leave(topic, outcome.door);
    if (outcome.door === 'acked' || outcome.door === 'skipped') this.parking.finished(item);
    metrics.observe('millrace_processing_duration_seconds', this.labels, (now - item.takenAtMs) / 1000);
    if (outcome.door === 'deadLettered') {
      const { code } = outcome.error;
      metrics.count('millrace_dead_lettered_total', { group, topic, code });
      logger.warn({ ...recordLogFields(item), 'error.code': code }, `the record is dead-lettered: ${outcome.error.remedy}`);
    }
    this.options.onLeft(item.epoch);
    return FINISHED;
  }

  /** The lane goes on at once, and what comes next in it is parked behind; the record leaves when its row is durable. */
  private park(item: RecordInHand, error: ClassifiedError, attempts: number, delayMs: number): LaneVerdict {
    this.breakers.release(item);
    this.parking.park(item, error, attempts, delayMs);
    return FINISHED;
  }

  /** It cannot wait where records wait: it comes into its lane once more, to be given up before anything behind it begins. */
  private refused(item: RecordInHand, error: ClassifiedError): void {
    this.settings.logger.error({ ...recordLogFields(item), 'error.code': error.code }, error.message, error);
    item.condemnedFor = error;
    this.lanes.pushFirst(item);
  }

  private buried(item: RecordInHand, error: ClassifiedError): void {
    if (!this.parking.giveUp(item, error)) this.leave(item, { door: 'deadLettered', error });
  }

  private note(item: RecordInHand, result: HandlerResult, next: NextStep): void {
    if (result.kind !== 'failed' || next.kind === 'wait-for-dependency') return;
    const { logger, clock } = this.settings;
    const { code, message } = result.error;
    item.firstFailedAtMs ??= clock.nowMs();
    logger.warn({ ...recordLogFields(item), 'error.code': code, next: next.kind }, message, result.error);
  }

  private countFailure({ code }: ClassifiedError): void {
    const { group, metrics } = this.settings;
    metrics.count('millrace_record_attempts_total', { group, code });
  }

  private forget(item: RecordInHand): void {
    this.burial.forget(item);
  }
}

/** What is known of a record's needs before it runs: whether its event declares a call, and whether its schema has been read. */
function needsOf({ calls, decoder, occasional }: ConsumerGroupSettings): {
  readonly needs: (item: RecordInHand, dependency: Dependency) => boolean;
  readonly isOptional: (dependency: Dependency) => boolean;
} {
  const optional = new Set([...calls.values(), ...occasional]);
  return {
    isOptional: (dependency) => (dependency === 'registry' ? decoder.readsFromMemory !== undefined : optional.has(dependency)),
    needs: (item, dependency) => {
      if (dependency === 'registry') return decoder.readsFromMemory?.(item.record) === false;
      return !(item.envelope instanceof ClassifiedError) && calls.get(item.envelope.type) === dependency;
    },
  };
}
