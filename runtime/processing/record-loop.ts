import { ClassifiedError } from '../../core/errors.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import type { ParkedRecord } from '../../core/parked-records.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import { beginAttempt, type AttemptEnded } from './attempt.ts';
import { decideDoor, type NextStep } from './decide-door.ts';
import { AGAIN, FINISHED, type LaneVerdict } from './key-lanes.ts';
import { laneOf } from './lane.ts';
import { loopParts, type LoopParts, type RecordLoopOptions } from './loop-parts.ts';
import type { PartitionEpoch } from './partition-epoch.ts';
import { takeInHand, type RecordInHand } from './record-in-hand.ts';

/** So many keys wait that what they share must be away: it is waited for, as for any other outage. */
const FULL: NextStep = { kind: 'wait-for-dependency', error: new ClassifiedError('PARKING_FULL', 'no further key may wait for a retry') };

/**
 * The way of a record through a group: into its lane, one attempt after another, and out by one of the four doors. Nothing
 * here throws: whatever goes wrong with a record ends at a door, waits for a dependency, or halts the group.
 */
export class RecordLoop {
  readonly parts: LoopParts;
  private readonly options: RecordLoopOptions;
  /** One for all records. */
  private readonly onAttempted: AttemptEnded = (item, result) => this.attemptEnded(item, result);

  constructor(options: RecordLoopOptions) {
    this.options = options;
    this.parts = loopParts(options, {
      run: (item) => this.run(item),
      reenter: (parked, epoch) => this.reenter(parked, epoch),
      halt: (error) => this.halt(error),
    });
  }

  takeIn(epoch: PartitionEpoch<RecordInHand>, record: ConsumedRecord): void {
    const { overtakingTopics, clock } = this.options.settings;
    const item = takeInHand(record, epoch, laneOf(record, overtakingTopics), clock.monotonicMs());
    if (epoch.span === 0) epoch.progressAtMs = item.takenAtMs;
    epoch.begin(item);
    this.enter(item);
  }

  /** A parked record's turn has come: it is in once more, and leaves once more. */
  private reenter(parked: ParkedRecord, epoch: PartitionEpoch<RecordInHand>): void {
    const item = takeInHand(parked.record, epoch, parked.lane, this.options.settings.clock.monotonicMs(), parked);
    epoch.reenter(item);
    this.enter(item);
  }

  private enter(item: RecordInHand): void {
    this.parts.balance.enter(item.record.topic);
    this.parts.lanes.push(item);
  }

  /** Whether its turn has come; then `begin`, `attempted`, `follow`, and whatever happens, `end`. */
  private run(item: RecordInHand): void {
    item.epoch.runBegins();
    try {
      if (item.parked !== undefined) this.parts.parking.goesOn(item);
      if (item.gone || item.buried) this.end(item, FINISHED);
      else if (!item.epoch.admitted) this.end(item, { kind: 'again', after: item.epoch.admission });
      else this.begin(item);
    } catch (error) {
      this.broke(item, error);
    }
  }

  protected begin(item: RecordInHand): void {
    const wait = this.held(item);
    if (wait !== undefined) this.end(item, wait);
    // A verdict on its last failure was waited for.
    else if (item.suspected !== undefined) this.attempted(item, { kind: 'failed', error: item.suspected });
    else beginAttempt(item, this.parts.attempts, this.onAttempted);
  }

  /** What is to happen in the place of an attempt. */
  private held(item: RecordInHand): LaneVerdict | undefined {
    const { breakers, parking, waysOut } = this.parts;
    if (item.condemnedFor !== undefined) return waysOut.bury(item, item.condemnedFor);
    // Asked first: to wait behind others it needs no dependency, and at the head of its lane it would be in their way.
    const heldFor = item.parked === undefined ? parking.heldFor(item.lane) : undefined;
    return heldFor === undefined ? breakers.hold(item) : waysOut.park(item, heldFor, 0, 0);
  }

  protected attemptEnded(item: RecordInHand, result: HandlerResult): void {
    if (result.kind === 'failed') this.parts.notes.failed(result.error);
    try {
      this.attempted(item, result);
    } catch (error) {
      this.broke(item, error);
    }
  }

  private attempted(item: RecordInHand, result: HandlerResult): void {
    const waits = item.gone ? FINISHED : this.parts.breakers.judge(item, result);
    if (waits !== undefined) {
      this.end(item, waits);
      return;
    }
    const { retryPolicy, random } = this.options.settings;
    item.suspected = undefined;
    const wanted = decideDoor(result, item, retryPolicy, random);
    const next = wanted.kind === 'park' && !this.parts.parking.hasRoomFor(item.lane) ? FULL : wanted;
    if (result.kind === 'failed') this.parts.notes.failedAndGoes(item, result.error, next);
    this.end(item, this.follow(item, next));
  }

  private follow(item: RecordInHand, next: NextStep): LaneVerdict {
    const { breakers, waysOut } = this.parts;
    switch (next.kind) {
      case 'leave':
        return waysOut.leave(item, next.outcome);
      case 'try-at-once':
        item.immediateTries += 1;
        return AGAIN;
      case 'wait-for-dependency':
        return breakers.outage(item, next.error);
      case 'park':
        return waysOut.park(item, next.error, item.attempt, next.delayMs);
      case 'dead-letter':
        return waysOut.bury(item, next.error);
      case 'halt':
        this.halt(next.error);
        return AGAIN;
    }
  }

  private end(item: RecordInHand, verdict: LaneVerdict): void {
    const { lanes, parking, waysOut } = this.parts;
    if (verdict.kind === 'again' && item.epoch.leaving && !item.burying) waysOut.giveBack(item);
    const reached = item.gone ? FINISHED : verdict;
    if (item.parked !== undefined && reached.kind === 'again' && reached.after !== undefined) parking.stands(item);
    item.epoch.runEnds();
    lanes.ended(item, reached);
  }

  protected broke(item: RecordInHand, error: unknown): void {
    item.epoch.runEnds();
    this.parts.lanes.failed(item, error);
  }

  /** No record begins any more; what runs may end. */
  halt(error: ClassifiedError): void {
    this.parts.lanes.close();
    this.options.onFatal(error);
  }
}
