import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { partitionOfKey } from './partition-of-key.ts';

describe('the partition of a key', () => {
  it('is the one that kafkajs computes, for every key and number of partitions', () => {
    const theirs = Partitioners.DefaultPartitioner();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.integer({ min: 1, max: 64 }), (key, count) => {
        const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({
          partitionId,
          leader: 0,
          partitionErrorCode: 0,
          replicas: [],
          isr: [],
        }));
        const expected = theirs({ topic: 't', partitionMetadata, message: { key: Buffer.from(key), value: null } });
        expect(partitionOfKey(key, count)).toBe(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it("is what Kafka's own test vectors say", () => {
    // org.apache.kafka.common.utils.UtilsTest.testMurmur2, as positive numbers.
    const vectors: [string, number][] = [
      ['21', -973932308],
      ['foobar', -790332482],
      ['a-little-bit-long-string', -985981536],
      ['a-little-bit-longer-string', -1486304829],
      ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ];
    for (const [key, hash] of vectors) expect(partitionOfKey(Buffer.from(key), 0x7fffffff)).toBe((hash & 0x7fffffff) % 0x7fffffff);
  });
});
