import type { RecordBatch } from '../../core/record-batch.ts';
import { RECORD_BATCH_HEAD_BYTES } from '../../core/record-batch.ts';
import type { BufferPool } from './buffer-pool.ts';
import { varintBytes, writeVarint } from './varint.ts';

/**
 * Lays records out as Kafka's record format v2, one behind the other in one buffer of a pool; the head of the batch is left
 * free. A record is its length, attributes (none), deltas of time and offset, and its tail: key, value, headers, each with
 * its length. The caller writes the tail.
 *
 * Source: Kafka documentation, section "Record"; `org.apache.kafka.common.record.DefaultRecord`.
 */
export class RecordBatchBuilder {
  private readonly pool: BufferPool;
  private memory: Buffer;
  private end = RECORD_BATCH_HEAD_BYTES;
  private records = 0;
  private baseTimestampMs = 0;
  private maxTimestampMs = 0;

  /** @param bytes a guess of how many it will take. */
  constructor(pool: BufferPool, bytes = RECORD_BATCH_HEAD_BYTES) {
    this.pool = pool;
    this.memory = pool.take(bytes);
  }

  /** Where tails are written to. Another one after each `begin`. */
  get buffer(): Buffer {
    return this.memory;
  }

  /** Head and records so far. */
  get bytes(): number {
    return this.end;
  }

  get recordCount(): number {
    return this.records;
  }

  /** Begins a record; returns where in `buffer` its tail of exactly so many bytes is to be written, before the next call. */
  begin(timestampMs: number, tailBytes: number): number {
    if (this.records === 0) this.baseTimestampMs = this.maxTimestampMs = timestampMs;
    else if (timestampMs > this.maxTimestampMs) this.maxTimestampMs = timestampMs;
    const timeDelta = timestampMs - this.baseTimestampMs;
    const body = 1 + varintBytes(timeDelta) + varintBytes(this.records) + tailBytes;
    const end = this.end + varintBytes(body) + body;
    if (end > this.memory.length) this.grow(end);
    let at = writeVarint(this.memory, this.end, body);
    this.memory[at] = 0;
    at = writeVarint(this.memory, at + 1, timeDelta);
    at = writeVarint(this.memory, at, this.records);
    this.records += 1;
    this.end = end;
    return at;
  }

  /** The batch as it is now. No record may be added after. */
  finish(): RecordBatch {
    return {
      bytes: this.memory.subarray(0, this.end),
      recordCount: this.records,
      baseTimestampMs: this.baseTimestampMs,
      maxTimestampMs: this.maxTimestampMs,
    };
  }

  /** Gives the memory back: nobody may look at the batch any more. */
  release(): void {
    this.pool.give(this.memory);
  }

  private grow(bytes: number): void {
    // A quarter of the next size at least, so that a full batch was copied three times and not thirty.
    const larger = this.pool.take(Math.max(bytes, Math.min(4 * this.memory.length, 1024 * 1024)));
    this.memory.copy(larger, 0, 0, this.end);
    this.pool.give(this.memory);
    this.memory = larger;
  }
}
