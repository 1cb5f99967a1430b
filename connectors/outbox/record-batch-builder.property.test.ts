import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recordBatchOf } from '../../test/support/record-batch-of.ts';
import { laidOutRecords, readTail } from './batch-records.ts';
import { BufferPool } from './buffer-pool.ts';
import { RecordBatchBuilder } from './record-batch-builder.ts';
import { tailBytes, writeTail } from './record-tail.ts';
import { VarintReader, varintBytes, writeVarint } from './varint.ts';

const bytes = fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.constant(new Uint8Array(20_000).fill(7)));
const record = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.array(fc.tuple(fc.string({ maxLength: 12 }), fc.option(fc.uint8Array({ maxLength: 60 }))), { maxLength: 4 }),
  // Commits do not ascend in time.
  timestampMs: fc.integer({ min: 0, max: 4_000_000_000_000 }),
});

describe('a batch of records', () => {
  it('is laid out as the description of the format reads, whatever it holds, and read back', () => {
    const pool = new BufferPool(1024 * 1024);
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 12 }), (records) => {
        const builder = new RecordBatchBuilder(pool);
        for (const each of records) {
          const at = builder.begin(each.timestampMs, tailBytes(each));
          expect(writeTail(builder.buffer, at, each)).toBe(builder.bytes);
        }
        const batch = builder.finish();
        const expected = recordBatchOf(records);
        expect(Buffer.from(batch.bytes).subarray(61).equals(Buffer.from(expected.bytes).subarray(61))).toBe(true);
        expect({ ...batch, bytes: 0 }).toEqual({ ...expected, bytes: 0 });
        const found = [...laidOutRecords(batch)].map(({ timestampMs, tailStart }) => ({
          timestampMs,
          ...readTail(batch.bytes, tailStart),
        }));
        expect(found.map(({ timestampMs }) => timestampMs)).toEqual(records.map(({ timestampMs }) => timestampMs));
        expect(found.map(({ headers }) => headers.map(([name]) => name))).toEqual(
          records.map(({ headers }) => headers.map(([name]) => name)),
        );
        expect(found.map(({ value }) => value?.length)).toEqual(records.map(({ value }) => value?.length));
        builder.release();
      }),
      { numRuns: 200 },
    );
  });

  it('has integers as long as Kafka writes them', () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer({ min: -300, max: 300 }), fc.integer(), fc.integer({ min: -(2 ** 51), max: 2 ** 51 })), (value) => {
        const target = Buffer.alloc(12, 0xff);
        const end = writeVarint(target, 1, value);
        expect(end - 1).toBe(varintBytes(value));
        const reader = new VarintReader(target, 1);
        expect(reader.next()).toBe(value === 0 ? 0 : value);
        expect(reader.at).toBe(end);
      }),
    );
  });
});
