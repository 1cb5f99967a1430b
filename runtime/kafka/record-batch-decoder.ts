import { crc32c } from '@node-rs/crc32';
import { RECORD_BATCH_HEAD_BYTES } from '../../core/record-batch.ts';
import type { Header } from '../../core/record.ts';
import { CRC_COVERS_FROM, HEAD, LENGTH_COVERS_FROM, MAGIC } from './record-batch-head.ts';

export interface DecodedRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly Header[];
  readonly timestampMs: number;
}

export interface DecodedBatch {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly records: readonly DecodedRecord[];
}

const text = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads one completed batch of Kafka's record format v2 as strictly as a broker that validates it: checksum, lengths, offset
 * deltas and counts must agree. Not compressed ones only. The records share the batch's memory.
 *
 * @throws Error that names the field which is wrong.
 */
export function decodeRecordBatch(bytes: Uint8Array): DecodedBatch {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  expectField('magic', view.getInt8(HEAD.magic), MAGIC);
  expectField('batch length', view.getInt32(HEAD.batchLength), bytes.length - LENGTH_COVERS_FROM);
  expectField('crc', view.getUint32(HEAD.crc), crc32c(bytes.subarray(CRC_COVERS_FROM)));
  expectField('attributes', view.getInt16(HEAD.attributes), 0);
  const recordCount = view.getInt32(HEAD.recordCount);
  expectField('last offset delta', view.getInt32(HEAD.lastOffsetDelta), recordCount - 1);
  const baseTimestampMs = Number(view.getBigInt64(HEAD.baseTimestamp));
  const reader = new RecordReader(bytes, RECORD_BATCH_HEAD_BYTES);
  const records: DecodedRecord[] = [];
  for (let index = 0; index < recordCount; index += 1) records.push(reader.record(index, baseTimestampMs));
  expectField('end of the records', reader.at, bytes.length);
  const latestMs = records.reduce((latest, { timestampMs }) => Math.max(latest, timestampMs), Number.NEGATIVE_INFINITY);
  expectField('max timestamp', Number(view.getBigInt64(HEAD.maxTimestamp)), latestMs);
  return {
    producerId: view.getBigInt64(HEAD.producerId),
    producerEpoch: view.getInt16(HEAD.producerEpoch),
    baseSequence: view.getInt32(HEAD.baseSequence),
    records,
  };
}

class RecordReader {
  at: number;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  record(index: number, baseTimestampMs: number): DecodedRecord {
    const length = this.varint();
    const end = this.at + length;
    expectField('record attributes', this.byte(), 0);
    const timestampMs = baseTimestampMs + this.varint();
    expectField('offset delta', this.varint(), index);
    const record = { key: this.nullableBytes(), value: this.nullableBytes(), headers: this.headers(), timestampMs };
    expectField('record length', this.at, end);
    return record;
  }

  private headers(): Header[] {
    const headers: Header[] = [];
    for (let left = this.varint(); left > 0; left -= 1) {
      const name = this.nullableBytes();
      if (name === null) throw new Error('record batch: a header has no name');
      headers.push([text.decode(name), this.nullableBytes()]);
    }
    return headers;
  }

  private nullableBytes(): Uint8Array | null {
    const length = this.varint();
    if (length < 0) return null;
    if (this.at + length > this.bytes.length) throw new Error('record batch: the bytes end too early');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** Zigzag, seven bits a byte, the lowest first. Timestamps need more than 32 bits, so that no bit operator is used. */
  private varint(): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 49; factor *= 128) {
      const byte = this.byte();
      value += (byte % 128) * factor;
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    throw new Error('record batch: a number is too long');
  }

  private byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw new Error('record batch: the bytes end too early');
    this.at += 1;
    return byte;
  }
}

function expectField(field: string, actual: number, expected: number): void {
  if (actual !== expected) throw new Error(`record batch: ${field} is ${actual} and should be ${expected}`);
}
