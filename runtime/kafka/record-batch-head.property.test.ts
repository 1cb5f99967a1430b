import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RECORD_BATCH_HEAD_BYTES } from '../../core/record-batch.ts';
import { recordBatchOf } from '../../test/support/record-batch-of.ts';
import { decodeRecordBatch } from './record-batch-decoder.ts';
import { completeRecordBatch, CRC_COVERS_FROM, HEAD } from './record-batch-head.ts';

const stamp = fc.record({
  producerId: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  producerEpoch: fc.integer({ min: 0, max: 32_767 }),
  baseSequence: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
});
const bytes = fc.option(fc.uint8Array({ maxLength: 80 }));
const record = fc.record({
  key: bytes,
  value: bytes,
  headers: fc.array(fc.tuple(fc.string({ unit: 'grapheme', maxLength: 5 }), bytes), { maxLength: 3 }),
  timestampMs: fc.integer({ min: 0, max: 4_102_444_800_000 }),
});

/** CRC-32C one bit at a time, as Castagnoli's polynomial is written down. */
function slowCrc32c(of: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of of) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

describe('the head of a record batch', () => {
  it('carries the checksum of everything behind it, for every size and place in memory', () => {
    expect(slowCrc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    fc.assert(
      fc.property(fc.nat({ max: 5_000 }), fc.nat({ max: 64 }), stamp, fc.nat(), (bodyBytes, shift, stamped, seed) => {
        const memory = new Uint8Array(shift + RECORD_BATCH_HEAD_BYTES + bodyBytes + 7);
        for (let index = 0; index < memory.length; index += 1) memory[index] = (seed + index * 31) % 256;
        const batch = memory.subarray(shift, shift + RECORD_BATCH_HEAD_BYTES + bodyBytes);
        completeRecordBatch({ bytes: batch, recordCount: 3, baseTimestampMs: 1, maxTimestampMs: 2 }, stamped);
        const written = new DataView(memory.buffer, shift).getUint32(HEAD.crc);
        expect(written).toBe(slowCrc32c(batch.subarray(CRC_COVERS_FROM)));
      }),
      { numRuns: 300 },
    );
  });

  it('and its records are read back as they were laid out', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 12 }), stamp, (records, stamped) => {
        const batch = recordBatchOf(records);
        completeRecordBatch(batch, stamped);
        const { records: read, ...head } = decodeRecordBatch(batch.bytes);
        expect(head).toEqual(stamped);
        expect(read.map(plain)).toEqual(records.map(plain));
      }),
    );
  });

  it('is refused by the decoder when any bit of the batch is another one', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 4 }), fc.nat(), (records, where) => {
        const batch = recordBatchOf(records);
        completeRecordBatch(batch, { producerId: 1n, producerEpoch: 0, baseSequence: 0 });
        // Base offset and leader epoch are the broker's and not covered.
        const at = HEAD.magic + (where % (batch.bytes.length - HEAD.magic));
        batch.bytes[at] = batch.bytes[at]! ^ 1;
        expect(() => decodeRecordBatch(batch.bytes)).toThrow('record batch');
      }),
    );
  });
});

function plain(one: {
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: readonly (readonly [string, Uint8Array | null])[];
  timestampMs: number;
}): object {
  const list = (of: Uint8Array | null): number[] | null => (of === null ? null : [...of]);
  return {
    key: list(one.key),
    value: list(one.value),
    headers: one.headers.map(([name, value]) => [name, list(value)]),
    timestampMs: one.timestampMs,
  };
}
