import type { Offset } from '../../core/offset.ts';
import { committedOffsetAfter } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';
import { Watermark } from '../../core/watermark.ts';

/** Where an offset that arrives belongs. */
export type Arrival = 'new' | 'in-hand' | 'rewound';

/** What an epoch must know of a record. */
interface Held {
  readonly record: { readonly offset: Offset };
  readonly bytes: number;
}

/**
 * One stay of a partition with this member, from its assignment to its loss. Everything that is remembered of its records
 * hangs on it and goes with it: a handler that ends after the stay finds its record `gone` and changes nothing.
 */
export class PartitionEpoch<T extends Held = Held> implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly inHand = new Set<T>();
  /** Intake is over: what is queued is given back, what runs may end. */
  leaving = false;
  /** The partition is given away: nothing may be committed for it any more. */
  closed = false;
  highWatermark: Offset | undefined;
  /** Where is read on. Between the newest record and there is none: the log ends with what is no record, where a writer uses transactions. */
  readTo: Offset | undefined;
  /** Monotonic milliseconds: when a record of it last finished, or the first one began after none was unfinished. */
  progressAtMs = 0;
  /** Resolves when it is known what waits for the partition, or the stay is over: none of its records begins before. */
  readonly admission: Promise<void>;
  admitted = false;
  private onAdmitted: () => void = () => undefined;
  private readonly watermark = new Watermark<Offset>();
  private lastArrived: Offset | undefined;
  private committedNext: Offset | undefined;
  private bytesInHand = 0;
  private runningNow = 0;
  private readonly onIdle: (() => void)[] = [];

  constructor({ topic, partition }: TopicPartition) {
    this.topic = topic;
    this.partition = partition;
    this.admission = new Promise((resolve) => {
      this.onAdmitted = resolve;
    });
  }

  admit(): void {
    this.admitted = true;
    this.onAdmitted();
  }

  /**
   * Offsets ascend within a stay. One that does not is in hand already (a driver read it twice), or, when it lies below all that
   * is in hand or its finish lies behind, the partition was rewound under us (offsets reset, topic made anew) and a new stay
   * must begin.
   */
  arrival(offset: Offset): Arrival {
    if (this.lastArrived === undefined || offset > this.lastArrived) return 'new';
    const { finishedThrough, lowestUnfinished } = this.watermark;
    const isBelow = lowestUnfinished !== undefined && offset < lowestUnfinished;
    const isFinished = finishedThrough !== undefined && offset <= finishedThrough;
    return isBelow || isFinished ? 'rewound' : 'in-hand';
  }

  begin(item: T): void {
    this.watermark.begin(item.record.offset);
    this.lastArrived = item.record.offset;
    this.reenter(item);
  }

  /** A record that was parked comes back: it counts as in hand, and its offset, which was finished then, as nothing. */
  reenter(item: T): void {
    this.inHand.add(item);
    this.bytesInHand += item.bytes;
  }

  /** The record's effect is durable: commits may pass its offset. Returns true when the finished prefix grew. */
  finish(item: T): boolean {
    this.forget(item);
    return this.watermark.finish(item.record.offset);
  }

  /** The record is given back, and commits never pass its offset in this stay; or it had come back from where it waited. */
  giveBack(item: T): void {
    this.forget(item);
  }

  /** What to commit: the offset after the finished prefix; undefined when that is committed already. */
  get uncommitted(): Offset | undefined {
    const { finishedThrough, lowestUnfinished } = this.watermark;
    if (finishedThrough === undefined) return undefined;
    const next = lowestUnfinished === undefined ? this.position : committedOffsetAfter(finishedThrough);
    if (next === undefined) return undefined;
    return this.committedNext !== undefined && next <= this.committedNext ? undefined : next;
  }

  committed(next: Offset): void {
    if (this.committedNext === undefined || next > this.committedNext) this.committedNext = next;
  }

  /** The first offset that is not finished; undefined as long as nothing was read in this stay. */
  get position(): Offset | undefined {
    const { finishedThrough, lowestUnfinished } = this.watermark;
    if (lowestUnfinished !== undefined) return lowestUnfinished;
    const { readTo } = this;
    if (finishedThrough === undefined) return readTo;
    const next = committedOffsetAfter(finishedThrough);
    return readTo === undefined || readTo < next ? next : readTo;
  }

  /** Of its records, how many run: their attempt, or the write of their dead letter. */
  get running(): number {
    return this.runningNow;
  }

  /** Records in hand. */
  get records(): number {
    return this.inHand.size;
  }

  get bytes(): number {
    return this.bytesInHand;
  }

  /** Offsets that began and cannot be committed yet, finished ones above an unfinished one included. */
  get span(): number {
    return this.watermark.inFlight;
  }

  /** Records between what is finished and the end of the partition, as far as the end is known. */
  get lag(): number {
    const { highWatermark, position } = this;
    if (highWatermark === undefined || position === undefined || position >= highWatermark) return 0;
    return Number(highWatermark - position);
  }

  runBegins(): void {
    this.runningNow += 1;
  }

  runEnds(): void {
    this.runningNow -= 1;
    if (this.runningNow === 0) for (const wake of this.onIdle.splice(0)) wake();
  }

  /** Resolves when none of its records runs. */
  async idle(): Promise<void> {
    if (this.runningNow === 0) return;
    await new Promise<void>((resolve) => this.onIdle.push(resolve));
  }

  private forget(item: T): void {
    if (this.inHand.delete(item)) this.bytesInHand -= item.bytes;
  }
}
