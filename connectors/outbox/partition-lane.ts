import { setImmediate as yieldToInput } from 'node:timers/promises';
import type { Clock } from '../../core/clock.ts';
import { ClassifiedError, classified } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { BatchProducer, RecordBatch } from '../../core/record-batch.ts';
import { aborted } from '../replication/aborted.ts';
import type { SourceTransaction } from '../replication/stream-session.ts';
import type { RecordTail } from './batch-records.ts';
import { readTail } from './batch-records.ts';
import type { BufferPool } from './buffer-pool.ts';
import { halvesOf, withoutPayload } from './dead-letter.ts';
import type { Failpoint } from './failpoint.ts';
import type { LetterNote } from './lane-batch.ts';
import type { LaidOutEvent } from './lane-batch.ts';
import { LaneBatch } from './lane-batch.ts';
import type { Patience } from './patience.ts';
import { tailBytes, writeTail } from './record-tail.ts';

/** What the lanes of a relay share. */
export interface Road {
  readonly producer: BatchProducer;
  readonly pool: BufferPool;
  readonly patience: Patience;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly failpoint: Failpoint | undefined;
  readonly batchRowsMax: number;
  readonly batchBytesMax: number;
  /** Aborted when the batches in hand are of no use any more: their rows come again, or nothing is to be sent. */
  turnSignal(): AbortSignal;
  /** Rows of an earlier turn come again: what was not sent of them is forgotten. */
  generation(): number;
  /** A lane has something to send. */
  onFilled(lane: PartitionLane): void;
  /** The records are durable. */
  onAcknowledged(lane: PartitionLane, batch: LaneBatch): void;
  /** An event that its topic will never take; resolves when its letter is durable, or forgotten. */
  onRefused(
    lane: PartitionLane,
    record: RecordTail,
    transaction: SourceTransaction,
    heldBytes: number,
    error: ClassifiedError,
    isTableless: boolean,
  ): Promise<void>;
  /**
   * The topic lost partitions: rows of one key would go to two of them, the later one first. Everything that is not
   * acknowledged has to come again, in a new turn.
   */
  onAstray(error: ClassifiedError): void;
}

/** A little more than a record takes beside its tail. */
const RECORD_OVERHEAD_BYTES = 32;

/**
 * The way into one partition. Records gather while the last batch is under way, and are the next batch: one in flight, in
 * order. An outage is waited out with the same batch; one that is refused is halved until the single record is found.
 */
export class PartitionLane {
  readonly topic: string;
  readonly partition: number;
  /** Records of the dead-letter topic, which are refused another way. */
  readonly isForLetters: boolean;
  private readonly road: Road;
  private open: LaneBatch | undefined;
  private full: LaneBatch[] = [];
  private running = false;
  private announced = false;
  private since: number | undefined;
  private failed: ClassifiedError | undefined;

  constructor(road: Road, topic: string, partition: number, isForLetters: boolean) {
    this.road = road;
    this.topic = topic;
    this.partition = partition;
    this.isForLetters = isForLetters;
  }

  /** Monotonic milliseconds since when Kafka owes an acknowledgement; undefined when it owes none. */
  get sendingSinceMs(): number | undefined {
    return this.since;
  }

  /** Why nothing more is sent until the next turn; undefined while all is well. */
  get haltedBy(): ClassifiedError | undefined {
    return this.failed;
  }

  /** Begins a record for an event; returns where in `buffer` its tail of exactly so many bytes is to be written at once. */
  begin(timestampMs: number, bytes: number, transaction: SourceTransaction, heldBytes: number): number {
    const batch = this.batchFor(bytes);
    batch.count(transaction, heldBytes);
    batch.lastTail = batch.builder.begin(timestampMs, bytes);
    return batch.lastTail;
  }

  /** The record begun last stands for a logical message: there is no row of it. */
  noteMessage(): void {
    if (this.open !== undefined) this.open.hasMessages = true;
  }

  /** Where the tail of the record begun last belongs. */
  get buffer(): Buffer {
    if (this.open === undefined) throw new RangeError('no record was begun');
    return this.open.builder.buffer;
  }

  addLetter(letter: RecordTail, transaction: SourceTransaction, heldBytes: number, note: LetterNote): void {
    const at = this.begin(this.road.clock.nowMs(), tailBytes(letter), transaction, heldBytes);
    writeTail(this.buffer, at, letter);
    this.open?.notes.push(note);
  }

  /** Sends what is there, if nothing is under way; otherwise it follows when that is over. */
  flush(): void {
    this.announced = false;
    if (!this.running) void this.run();
  }

  /** Forgets what was not sent. An append that is under way comes to its end, and is not tried again. */
  forget(): void {
    for (const batch of this.full) this.drop(batch);
    if (this.open !== undefined) this.drop(this.open);
    this.full = [];
    this.open = undefined;
    this.announced = false;
  }

  private batchFor(bytes: number): LaneBatch {
    const { batchRowsMax, batchBytesMax } = this.road;
    const { open } = this;
    if (open !== undefined) {
      const fits = open.builder.bytes + bytes + RECORD_OVERHEAD_BYTES <= batchBytesMax && open.builder.recordCount < batchRowsMax;
      if (fits) return open;
      this.full.push(open);
      this.open = undefined;
      if (!this.running) void this.run();
    }
    this.open = new LaneBatch(this.road.pool, this.road.generation(), bytes);
    if (!this.announced) {
      this.announced = true;
      this.road.onFilled(this);
    }
    return this.open;
  }

  private async run(): Promise<void> {
    this.running = true;
    for (let batch = this.next(); batch !== undefined; batch = this.next()) {
      try {
        await this.deliver(batch);
      } catch (thrown) {
        // What follows must not overtake it: nothing more is sent until its rows come again, in a new turn.
        if (!this.isOver(batch)) await this.halt(thrown);
        for (const note of batch.notes) note.onSettled();
      }
    }
    this.running = false;
  }

  /** Resolves when the turn ends. */
  private async halt(thrown: unknown): Promise<void> {
    const { road, topic, partition } = this;
    const turn = road.turnSignal();
    if (thrown instanceof Astray) {
      const message = `the topic ${topic} has no partition ${partition} any more; what is not acknowledged is placed anew`;
      road.onAstray(new ClassifiedError('CONFIGURATION_INVALID', message));
    } else {
      // Nothing that is expected ends here. Standing still and saying so loses nothing; going on would.
      this.failed = classified(thrown, 'UNCLASSIFIED', `a batch for partition ${partition} of ${topic} could not be published`);
      road.logger.error({ topic, partition }, 'a batch could not be published; its partition stands still', thrown);
    }
    await aborted(turn);
    this.failed = undefined;
  }

  private next(): LaneBatch | undefined {
    const full = this.full.shift();
    if (full !== undefined) return full;
    const { open } = this;
    this.open = undefined;
    return open;
  }

  /** Resolves when every record is durable, as itself or as a letter; or forgotten. */
  private async deliver(batch: LaneBatch): Promise<void> {
    const { road } = this;
    try {
      await this.append(batch);
    } catch (thrown) {
      // Its memory is not used again: nobody knows what an attempt that failed still holds.
      if (this.isOver(batch) || thrown instanceof Astray) throw thrown;
      if (!(thrown instanceof ClassifiedError) || thrown.disposition !== 'dead-letter') throw thrown;
      await this.isolate(batch, thrown);
      return;
    }
    if (road.failpoint !== undefined) await road.failpoint(this.isForLetters ? 'letter-acknowledged' : 'batch-acknowledged');
    road.onAcknowledged(this, batch);
    for (const note of batch.notes) note.onSettled();
    batch.builder.release();
    if (road.failpoint !== undefined) await road.failpoint('ledger-moved');
  }

  private async append(batch: LaneBatch): Promise<void> {
    const { road } = this;
    const sealed = batch.seal();
    const turn = road.turnSignal();
    if (road.failpoint !== undefined) await this.stopAtSeal(batch, road.failpoint);
    this.since = road.clock.monotonicMs();
    try {
      await road.patience.until(() => this.appendOnce(sealed, this.isLastResort(batch), turn), turn);
    } finally {
      this.since = undefined;
    }
  }

  /** A letter without its payload: there is nothing smaller to put in its place. */
  private isLastResort(batch: LaneBatch): boolean {
    if (!this.isForLetters || batch.seal().recordCount > 1) return false;
    const [letter] = batch.events();
    return letter !== undefined && readTail(batch.builder.buffer, letter.record.tailStart).value === null;
  }

  private async appendOnce(sealed: RecordBatch, isLastResort: boolean, turn: AbortSignal): Promise<void> {
    const { road } = this;
    const appended = road.producer.append(this.topic, this.partition, sealed, turn);
    if (road.failpoint !== undefined) {
      appended.catch(() => undefined); // it is awaited below
      await yieldToInput();
      await road.failpoint(this.isForLetters ? 'letter-sent' : 'batch-sent');
    }
    try {
      await appended;
    } catch (thrown) {
      const gone = thrown instanceof ClassifiedError && thrown.code === 'CONFIGURATION_INVALID';
      if (gone && (await road.producer.partitionCount(this.topic)) <= this.partition) throw new Astray();
      if (!isLastResort) throw thrown;
      // Standing still and saying so loses nothing; going on would.
      throw new ClassifiedError('UNCLASSIFIED', 'the dead-letter topic refuses a letter without its payload', { cause: thrown });
    }
  }

  private async stopAtSeal(batch: LaneBatch, failpoint: Failpoint): Promise<void> {
    await failpoint(this.isForLetters ? 'letter-sealed' : 'batch-sealed');
    if (batch.transactions.at(-1)?.endLsn === undefined) await failpoint('batch-sealed-mid-transaction');
  }

  /** One of the records is refused. First half before second half: records of one key stay in order. */
  private async isolate(batch: LaneBatch, error: ClassifiedError): Promise<void> {
    const { road } = this;
    if (batch.seal().recordCount === 1) {
      await this.degrade(batch, error);
      return;
    }
    const halves = batch.halves(road.pool);
    batch.builder.release();
    if (road.failpoint !== undefined) await road.failpoint('batch-split');
    for (const half of halves) {
      if (this.isOver(half)) this.drop(half);
      else await this.deliver(half);
    }
  }

  /** What is left of a record that Kafka refuses: its dead letter; then the letter without the payload, or in parts. */
  private async degrade(batch: LaneBatch, error: ClassifiedError): Promise<void> {
    const { road } = this;
    const [event] = batch.events();
    if (event === undefined) throw new RangeError('a batch without a record');
    const { record, transaction, heldBytes } = event;
    const tail = readTail(batch.builder.buffer, record.tailStart);
    if (!this.isForLetters) {
      // The letter stands for the event now; what follows it in this partition waits for it.
      const settled = road.onRefused(this, tail, transaction, heldBytes, error, batch.hasMessages);
      batch.builder.release();
      await settled;
      return;
    }
    const [first, last] = (batch.hasMessages ? halvesOf(tail) : undefined) ?? [undefined, withoutPayload(tail)];
    if (first !== undefined) await this.deliverPart(this.letterAlone(first, batch, event));
    const rest = this.letterAlone(last, batch, event);
    rest.heldBytes = heldBytes;
    rest.notes.push(...batch.notes);
    batch.builder.release();
    await this.deliver(rest);
  }

  /** Only the last part of a letter stands for its event. */
  private async deliverPart(batch: LaneBatch): Promise<void> {
    try {
      await this.append(batch);
    } catch (thrown) {
      if (this.isOver(batch) || !(thrown instanceof ClassifiedError) || thrown instanceof Astray) throw thrown;
      const [event] = batch.events();
      const halves = event === undefined ? undefined : halvesOf(readTail(batch.builder.buffer, event.record.tailStart));
      if (thrown.disposition !== 'dead-letter' || event === undefined || halves === undefined) throw thrown;
      for (const half of halves) await this.deliverPart(this.letterAlone(half, batch, event));
    }
    batch.builder.release();
  }

  private letterAlone(letter: RecordTail, batch: LaneBatch, { record, transaction }: LaidOutEvent): LaneBatch {
    const alone = new LaneBatch(this.road.pool, batch.generation, tailBytes(letter));
    writeTail(alone.builder.buffer, alone.builder.begin(record.timestampMs, tailBytes(letter)), letter);
    alone.count(transaction, 0);
    alone.hasMessages = batch.hasMessages;
    return alone;
  }

  private isOver(batch: LaneBatch): boolean {
    return this.road.generation() !== batch.generation || this.road.turnSignal().aborted;
  }

  private drop(batch: LaneBatch): void {
    for (const note of batch.notes) note.onSettled();
    batch.builder.release();
  }
}

/** The partition is gone; waiting does not bring it back. */
class Astray extends ClassifiedError {
  constructor() {
    super('RECORD_REJECTED', 'the topic has no such partition any more');
  }
}
