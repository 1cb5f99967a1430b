import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recordBytes, type ProducerRecord } from '../../core/record.ts';
import { CHUNK_BYTES_MAX, CHUNK_RECORDS_MAX, sendChunks } from './send-chunks.ts';

const records = fc.array(
  fc
    .integer({ min: 0, max: 1_200_000 })
    .map((size): ProducerRecord => ({ topic: 't', key: null, value: new Uint8Array(size), headers: [] })),
  { maxLength: 20 },
);

describe('records cut into batches', () => {
  it('are all there, in order, and no batch is larger than allowed unless it is one record', () => {
    fc.assert(
      fc.property(records, (given) => {
        const chunks = sendChunks(given);
        expect(chunks.flat()).toEqual(given);
        for (const chunk of chunks) {
          expect(chunk.length).toBeGreaterThan(0);
          const bytes = chunk.reduce((sum, record) => sum + recordBytes(record), 0);
          expect(chunk.length === 1 || bytes <= CHUNK_BYTES_MAX).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('are limited in number too', () => {
    const small: ProducerRecord = { topic: 't', key: null, value: null, headers: [] };
    const chunks = sendChunks(Array.from({ length: CHUNK_RECORDS_MAX * 2 + 1 }, () => small));
    expect(chunks.map((chunk) => chunk.length)).toEqual([CHUNK_RECORDS_MAX, CHUNK_RECORDS_MAX, 1]);
  });
});
