import type { RecordBatch } from '../../core/record-batch.ts';
import { RECORD_BATCH_HEAD_BYTES } from '../../core/record-batch.ts';
import type { Header } from '../../core/record.ts';
import { utf8Text } from '../../core/record.ts';
import { VarintReader } from './varint.ts';

/** A record of a batch that was laid out before: what can be moved to another batch as it is. */
export interface LaidOutRecord {
  readonly timestampMs: number;
  /** Key, value and headers in the batch's bytes. */
  readonly tailStart: number;
  readonly tailEnd: number;
}

/** The records of a batch in order. */
export function* laidOutRecords(batch: RecordBatch): Generator<LaidOutRecord> {
  const reader = new VarintReader(batch.bytes, RECORD_BATCH_HEAD_BYTES);
  for (let left = batch.recordCount; left > 0; left -= 1) {
    const body = reader.next();
    const tailEnd = reader.at + body;
    reader.at += 1; // attributes
    const timestampMs = batch.baseTimestampMs + reader.next();
    reader.next(); // offset delta
    yield { timestampMs, tailStart: reader.at, tailEnd };
    reader.at = tailEnd;
  }
}

export interface RecordTail {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly Header[];
}

/** Views of the bytes. */
export function readTail(bytes: Uint8Array, at: number): RecordTail {
  const reader = new VarintReader(bytes, at);
  const [key, value] = [reader.sized(), reader.sized()];
  const headers: Header[] = [];
  for (let left = reader.next(); left > 0; left -= 1) headers.push([utf8Text(reader.sized() ?? new Uint8Array()), reader.sized()]);
  return { key, value, headers };
}
