import { RECORD_BATCH_HEAD_BYTES, type RecordBatch } from '../../core/record-batch.ts';
import type { Header } from '../../core/record.ts';

export interface BatchedRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly Header[];
  readonly timestampMs?: number;
}

/**
 * Lays records out as a batch, slowly and as the format's description reads: what faster writers are compared with.
 *
 * Records are of now unless they say otherwise: one that is older than its topic's `retention.ms` is deleted the next time that
 * the broker looks, 30 s after its start and every 5 minutes from then on, whether somebody has read it or not.
 */
export function recordBatchOf(records: readonly BatchedRecord[], defaultTimestampMs = Date.now()): RecordBatch {
  const timestamps = records.map(({ timestampMs }) => timestampMs ?? defaultTimestampMs);
  const baseTimestampMs = timestamps[0] ?? defaultTimestampMs;
  const body = records.flatMap((record, index) => {
    const laidOut = recordBody(record, index, (timestamps[index] ?? defaultTimestampMs) - baseTimestampMs);
    return [varint(laidOut.length), laidOut];
  });
  return {
    bytes: Buffer.concat([Buffer.alloc(RECORD_BATCH_HEAD_BYTES), ...body]),
    recordCount: records.length,
    baseTimestampMs,
    maxTimestampMs: Math.max(...timestamps),
  };
}

function recordBody({ key, value, headers = [] }: BatchedRecord, offsetDelta: number, timestampDelta: number): Buffer {
  return Buffer.concat([
    Buffer.from([0]),
    varint(timestampDelta),
    varint(offsetDelta),
    ...nullableBytes(key),
    ...nullableBytes(value),
    varint(headers.length),
    ...headers.flatMap(([name, headerValue]) => [...nullableBytes(Buffer.from(name)), ...nullableBytes(headerValue)]),
  ]);
}

function nullableBytes(bytes: Uint8Array | null): Uint8Array[] {
  return bytes === null ? [varint(-1)] : [varint(bytes.length), bytes];
}

/** Zigzag, then seven bits a byte, the lowest first. */
function varint(value: number): Buffer {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  const bytes: number[] = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
