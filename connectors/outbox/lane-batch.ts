import type { ClassifiedError } from '../../core/errors.ts';
import type { Lsn } from '../../core/lsn.ts';
import type { RecordBatch } from '../../core/record-batch.ts';
import type { EventRuns, SourceTransaction } from '../replication/stream-session.ts';
import type { LaidOutRecord } from './batch-records.ts';
import { laidOutRecords } from './batch-records.ts';
import type { BufferPool } from './buffer-pool.ts';
import { copyBytes } from './copy-bytes.ts';
import { RecordBatchBuilder } from './record-batch-builder.ts';

/** Why a letter was written, to be told when it is durable. */
export interface LetterNote {
  readonly event: string | undefined;
  readonly error: ClassifiedError;
  readonly commitLsn: Lsn;
  /** The letter is durable, or forgotten because its row will come again. */
  readonly onSettled: () => void;
}

export interface LaidOutEvent {
  readonly record: LaidOutRecord;
  readonly transaction: SourceTransaction;
  readonly heldBytes: number;
}

/** Records for one partition, and the transactions of the events that they stand for. Rows are counted in runs, not one by one. */
export class LaneBatch implements EventRuns {
  /** The connection's turn in which its rows came; they come again in the next one. */
  readonly generation: number;
  readonly builder: RecordBatchBuilder;
  readonly transactions: SourceTransaction[] = [];
  readonly counts: number[] = [];
  /** Of letters only. */
  readonly notes: LetterNote[] = [];
  heldBytes = 0;
  /** Where the tail of the last record begins. */
  lastTail = 0;
  /** Some of its records stand for logical messages, of which there is no row. */
  hasMessages = false;
  private sealed: RecordBatch | undefined;

  constructor(pool: BufferPool, generation: number, bytes?: number) {
    this.builder = new RecordBatchBuilder(pool, bytes);
    this.generation = generation;
  }

  count(transaction: SourceTransaction, heldBytes: number): void {
    const last = this.transactions.length - 1;
    if (this.transactions[last] === transaction) this.counts[last] = (this.counts[last] ?? 0) + 1;
    else {
      this.transactions.push(transaction);
      this.counts.push(1);
    }
    this.heldBytes += heldBytes;
  }

  /** The same object each time: sent again, it is known to be the same batch. */
  seal(): RecordBatch {
    this.sealed ??= this.builder.finish();
    return this.sealed;
  }

  /** Each record with its transaction, in order. */
  *events(): Generator<LaidOutEvent> {
    const batch = this.seal();
    // What each row was counted with is not kept; the sum has to be right.
    const share = Math.floor(this.heldBytes / batch.recordCount);
    let [run, left, remaining] = [0, this.counts[0] ?? 0, batch.recordCount];
    for (const record of laidOutRecords(batch)) {
      for (; left === 0; left = this.counts[run] ?? 0) run += 1;
      const transaction = this.transactions[run];
      if (transaction === undefined) throw new RangeError('a record without its transaction');
      left -= 1;
      remaining -= 1;
      yield { record, transaction, heldBytes: remaining > 0 ? share : this.heldBytes - share * (batch.recordCount - 1) };
    }
  }

  /** Takes over a record as it lies in another batch. */
  move(bytes: Buffer, { timestampMs, tailStart, tailEnd }: LaidOutRecord, transaction: SourceTransaction, heldBytes: number): void {
    const at = this.builder.begin(timestampMs, tailEnd - tailStart);
    this.lastTail = at;
    copyBytes(this.builder.buffer, at, bytes, tailStart, tailEnd - tailStart);
    this.count(transaction, heldBytes);
  }

  /** Two batches with the first and the second half of the records. */
  halves(pool: BufferPool): readonly [LaneBatch, LaneBatch] {
    const { recordCount, bytes } = this.seal();
    const [first, second] = [0, 1].map(() => new LaneBatch(pool, this.generation, bytes.length / 2)) as [LaneBatch, LaneBatch];
    first.hasMessages = second.hasMessages = this.hasMessages;
    let moved = 0;
    for (const { record, transaction, heldBytes } of this.events()) {
      const half = moved < Math.ceil(recordCount / 2) ? first : second;
      half.move(this.builder.buffer, record, transaction, heldBytes);
      const note = this.notes[moved];
      if (note !== undefined) half.notes.push(note);
      moved += 1;
    }
    return [first, second];
  }
}
