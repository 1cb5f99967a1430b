import { ClassifiedError } from '../../core/errors.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { Balance } from './balance.ts';
import type { Breakers } from './breakers.ts';
import type { Burial } from './burial.ts';
import type { ConsumerGroupSettings } from './consumer-group-options.ts';
import type { KeyLanes, LaneVerdict } from './key-lanes.ts';
import { FINISHED } from './key-lanes.ts';
import type { LoopNotes } from './loop-notes.ts';
import type { Parking } from './parking.ts';
import type { PartitionEpoch } from './partition-epoch.ts';
import type { RecordInHand } from './record-in-hand.ts';

interface WaysOutOptions {
  readonly clock: ConsumerGroupSettings['clock'];
  readonly lanes: KeyLanes<RecordInHand>;
  readonly breakers: Pick<Breakers<RecordInHand>, 'release'>;
  readonly burial: Pick<Burial, 'bury' | 'forget'>;
  readonly parking: Pick<Parking, 'park' | 'giveUp' | 'finished' | 'forget' | 'isRefused'>;
  readonly balance: Pick<Balance, 'leave' | 'release'>;
  readonly notes: LoopNotes;
  readonly onLeft: (partition: PartitionEpoch) => void;
}

/**
 * How a record gets out of the hands of its group: by a door, at once or by way of where records wait or of its dead-letter
 * topic, when that is durable; or by none, when its partition goes and Kafka delivers it again, here or elsewhere.
 */
export class WaysOut {
  private readonly options: WaysOutOptions;

  constructor(options: WaysOutOptions) {
    this.options = options;
  }

  /** By the door, and for good: once only, whoever comes late. */
  leave(item: RecordInHand, outcome: Outcome): LaneVerdict {
    if (item.gone) return FINISHED;
    const { balance, breakers, burial, clock, notes, parking } = this.options;
    const now = clock.monotonicMs();
    burial.forget(item);
    breakers.release(item);
    item.go();
    if (item.parked === undefined) {
      item.epoch.finish(item);
      item.epoch.progressAtMs = now;
    } else item.epoch.giveBack(item);
    balance.leave(item.record.topic, outcome.door);
    if (outcome.door === 'acked' || outcome.door === 'skipped') parking.finished(item);
    notes.left(item, outcome, now);
    this.options.onLeft(item.epoch);
    return FINISHED;
  }

  /** The lane goes on at once, and what comes next in it is parked behind; the record leaves when its row is durable. */
  park(item: RecordInHand, error: ClassifiedError, attempts: number, delayMs: number): LaneVerdict {
    this.options.breakers.release(item);
    this.options.parking.park(item, error, attempts, delayMs);
    return FINISHED;
  }

  /** It cannot wait where records wait: it comes into its lane once more, to be given up before anything behind it begins. */
  refused(item: RecordInHand, error: ClassifiedError): void {
    this.options.notes.refused(item, error);
    item.condemnedFor = error;
    this.options.lanes.pushFirst(item);
  }

  bury(item: RecordInHand, error: ClassifiedError): LaneVerdict {
    this.options.breakers.release(item);
    return this.options.burial.bury(item, error);
  }

  /** Its letter is durable. */
  buried(item: RecordInHand, error: ClassifiedError): void {
    if (!this.options.parking.giveUp(item, error)) this.leave(item, { door: 'deadLettered', error });
  }

  /** Takes what has not begun out of the partitions that leave. A dead letter on its way, or that others wait for, is let through. */
  withdraw(): RecordInHand[] {
    const { lanes, parking } = this.options;
    return lanes.remove((item) => item.epoch.leaving && !item.burying && !item.buried && !parking.isRefused(item));
  }

  /** The record goes back to Kafka undone. If it runs it is cut off, and its late end finds it gone. */
  giveBack(item: RecordInHand): void {
    if (item.gone) return;
    const { balance, breakers, burial, parking } = this.options;
    burial.forget(item);
    item.go();
    item.epoch.giveBack(item);
    parking.forget(item);
    balance.release(item.record.topic);
    breakers.release(item);
    item.running?.cutOff(new ClassifiedError('HANDLER_TIMEOUT', 'the partition was given away while the handler ran'));
  }
}
