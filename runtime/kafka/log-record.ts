import { EncodedHeaders } from './encoded-headers.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import type { Offset } from '../../core/offset.ts';
import type { ConsumedRecord, Header, HeaderBlock, TopicPartition } from '../../core/record.ts';

/** What the records of one batch have in common. */
export interface LogBatch extends TopicPartition {
  readonly bytes: Buffer;
  readonly baseTimestampMs: number;
  /** Of every record of the batch, where the topic keeps the time of appending. */
  readonly appendedAtMs: number | undefined;
  readonly producerId: string;
  readonly inTransaction: boolean;
  readonly isControlBatch: boolean;
}

/** Where the parts of a record are in the bytes of its batch. */
export interface RecordPlace {
  /** To the time of its batch, in milliseconds. */
  readonly timestampDelta: number;
  readonly keyAt: number;
  /** -1 for null. */
  readonly keyLength: number;
  readonly valueAt: number;
  /** -1 for null. */
  readonly valueLength: number;
  /** Their number, and they. */
  readonly headersAt: number;
  readonly end: number;
}

/**
 * A record where the log has it: places in the bytes that came, each made into an object when it is asked for. A fetch brings
 * thousands, which wait for their turn; what is made of them meanwhile only grows old, and costs the collector twice.
 *
 * It is what kafkajs calls a message, too. There an offset is text; a bigint does as well, as all that it does with one begins
 * with `Long.fromValue`.
 */
export class LogRecord implements ConsumedRecord {
  readonly batchContext: LogBatch;
  readonly offset: Offset;
  private readonly timestampDelta: number;
  private readonly keyAt: number;
  private readonly keyLength: number;
  private readonly valueAt: number;
  private readonly valueLength: number;
  private readonly headersAt: number;
  private readonly end: number;
  private readKey: string | undefined = undefined;

  constructor(batch: LogBatch, offset: Offset, place: RecordPlace) {
    this.batchContext = batch;
    this.offset = offset;
    this.timestampDelta = place.timestampDelta;
    this.keyAt = place.keyAt;
    this.keyLength = place.keyLength;
    this.valueAt = place.valueAt;
    this.valueLength = place.valueLength;
    this.headersAt = place.headersAt;
    this.end = place.end;
  }

  get topic(): string {
    return this.batchContext.topic;
  }

  get partition(): number {
    return this.batchContext.partition;
  }

  get key(): Buffer | null {
    return this.keyLength < 0 ? null : this.batchContext.bytes.subarray(this.keyAt, this.keyAt + this.keyLength);
  }

  get keyText(): string | undefined {
    if (this.readKey === undefined && this.keyLength >= 0) {
      this.readKey = this.batchContext.bytes.toString('utf8', this.keyAt, this.keyAt + this.keyLength);
    }
    return this.readKey;
  }

  get value(): Buffer | null {
    return this.valueLength < 0 ? null : this.batchContext.bytes.subarray(this.valueAt, this.valueAt + this.valueLength);
  }

  get headerBlock(): HeaderBlock {
    return this.encodedHeaders();
  }

  get headers(): readonly Header[] {
    return this.encodedHeaders().pairs();
  }

  get byteLength(): number {
    return Math.max(0, this.keyLength) + Math.max(0, this.valueLength) + this.end - this.headersAt;
  }

  get timestampMs(): number {
    const { appendedAtMs, baseTimestampMs } = this.batchContext;
    return appendedAtMs ?? baseTimestampMs + this.timestampDelta;
  }

  get timestamp(): string {
    return String(this.timestampMs);
  }

  /** Written by the broker for itself: the end of a transaction. */
  get isControlRecord(): boolean {
    return this.batchContext.isControlBatch;
  }

  private encodedHeaders(): EncodedHeaders {
    return new EncodedHeaders(this.batchContext.bytes, this.headersAt, this.end);
  }
}

const NO_BYTES = Buffer.alloc(0);
const NO_PLACE: RecordPlace = { timestampDelta: 0, keyAt: 0, keyLength: -1, valueAt: 0, valueLength: -1, headersAt: 0, end: 0 };
const LAST_OFFSET = (2n ** 63n - 1n) as Offset;

/** Stands for what a batch covers up to the offset and has no record of: nobody sees it, and who reads goes on behind it. */
export function nothingTo(batch: LogBatch, offset: Offset): LogRecord {
  return new LogRecord({ ...batch, bytes: NO_BYTES, isControlBatch: true }, offset, NO_PLACE);
}

/**
 * Stands for a batch that cannot be read, and is in the way of what is behind it: whoever takes it in must refuse it, by its error.
 * Its place is behind all records: what is before the offset that was asked for kafkajs passes over.
 */
export class DamagedBatch extends LogRecord {
  readonly error: ClassifiedError;

  constructor(where: TopicPartition, error: ClassifiedError) {
    const { topic, partition } = where;
    const none = { baseTimestampMs: 0, appendedAtMs: undefined, producerId: '-1', inTransaction: false, isControlBatch: false };
    super({ topic, partition, bytes: NO_BYTES, ...none }, LAST_OFFSET, NO_PLACE);
    this.error = error;
  }
}
