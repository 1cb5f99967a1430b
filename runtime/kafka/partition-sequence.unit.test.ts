import { describe, expect, it } from 'vitest';
import type { RecordBatch } from '../../core/record-batch.ts';
import { PartitionSequence } from './partition-sequence.ts';

const FIRST = { producerId: 7n, producerEpoch: 0 };
const SECOND = { producerId: 8n, producerEpoch: 0 };

function batchOf(recordCount: number): RecordBatch {
  return { bytes: new Uint8Array(61), recordCount, baseTimestampMs: 0, maxTimestampMs: 0 };
}

describe('the sequence of a partition', () => {
  it('goes on by the number of records, and stands still until a batch is known to be appended', () => {
    const sequence = new PartitionSequence();
    const [a, b] = [batchOf(5), batchOf(2)];
    expect(sequence.stamp(a, FIRST)).toEqual({ ...FIRST, baseSequence: 0 });
    sequence.appended(a);
    expect(sequence.stamp(b, FIRST)).toEqual({ ...FIRST, baseSequence: 5 });
    expect(sequence.stamp(b, FIRST)).toEqual({ ...FIRST, baseSequence: 5 });
  });

  it('wraps from 2^31 - 1 to 0, also in the middle of a batch', () => {
    const sequence = new PartitionSequence();
    const large = batchOf(2 ** 31 - 2);
    sequence.stamp(large, FIRST);
    sequence.appended(large);
    const across = batchOf(5);
    expect(sequence.stamp(across, FIRST).baseSequence).toBe(2 ** 31 - 2);
    sequence.appended(across);
    expect(sequence.stamp(batchOf(1), FIRST).baseSequence).toBe(3);
  });

  it('gives a batch of unknown fate the same stamp again, whatever happened since', () => {
    const sequence = new PartitionSequence();
    const batch = batchOf(5);
    const first = sequence.stamp(batch, FIRST);
    sequence.fateUnknown();
    sequence.notAppended();
    expect(sequence.stamp(batch, SECOND)).toEqual(first);
  });

  it('gives the numbers of a batch that was certainly not appended to the next one', () => {
    const sequence = new PartitionSequence();
    sequence.stamp(batchOf(5), FIRST);
    sequence.notAppended();
    expect(sequence.stamp(batchOf(2), FIRST)).toEqual({ ...FIRST, baseSequence: 0 });
  });

  it('never gives the numbers of a batch of unknown fate to another one: the next epoch begins', () => {
    const sequence = new PartitionSequence();
    sequence.stamp(batchOf(5), FIRST);
    sequence.fateUnknown();
    // A later attempt was refused, the first one may have been appended all the same.
    sequence.notAppended();
    expect(sequence.stamp(batchOf(5), FIRST)).toEqual({ producerId: 7n, producerEpoch: 1, baseSequence: 0 });
  });

  it('begins the next epoch with the same batch when the broker does not accept its number', () => {
    const sequence = new PartitionSequence();
    const [a, b] = [batchOf(5), batchOf(2)];
    sequence.stamp(a, FIRST);
    sequence.appended(a);
    sequence.stamp(b, FIRST);
    sequence.fateUnknown();
    sequence.outOfSequence();
    expect(sequence.stamp(b, FIRST)).toEqual({ producerId: 7n, producerEpoch: 1, baseSequence: 0 });
    sequence.appended(b);
    expect(sequence.stamp(a, FIRST)).toEqual({ producerId: 7n, producerEpoch: 1, baseSequence: 2 });
  });

  it('takes another producer id when its own belongs to somebody newer, and when the epochs are used up', () => {
    const sequence = new PartitionSequence();
    const batch = batchOf(5);
    sequence.stamp(batch, { producerId: 7n, producerEpoch: 32_766 });
    sequence.outOfSequence();
    expect(sequence.stamp(batch, SECOND)).toEqual({ producerId: 7n, producerEpoch: 32_767, baseSequence: 0 });
    sequence.outOfSequence();
    expect(sequence.stamp(batch, SECOND)).toEqual({ ...SECOND, baseSequence: 0 });
    sequence.identityTaken();
    expect(sequence.stamp(batch, FIRST)).toEqual({ ...FIRST, baseSequence: 0 });
  });
});
