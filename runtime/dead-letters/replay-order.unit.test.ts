import { describe, expect, it } from 'vitest';
import { offset } from '../../core/offset.ts';
import { inOrderOfOrigin } from './replay-order.ts';

const at = (topic: string, position: number, timestampMs: number, partition = 0) => ({
  origin: { topic, partition, offset: offset(BigInt(position)), timestampMs },
});
const names = (letters: readonly ReturnType<typeof at>[]) => letters.map(({ origin }) => `${origin.topic}@${origin.offset}`);

describe('the order of a replay', () => {
  it('is that of the events and not that of the failures: what failed a second time comes before what came after it', () => {
    expect(names(inOrderOfOrigin([at('a', 6, 600), at('a', 9, 900), at('a', 5, 500)]))).toEqual(['a@5', 'a@6', 'a@9']);
  });

  it('goes over all topics of the group by the times of the commits', () => {
    expect(names(inOrderOfOrigin([at('a', 1, 100), at('a', 2, 300), at('b', 7, 200), at('c', 1, 50)]))).toEqual([
      'c@1',
      'a@1',
      'b@7',
      'a@2',
    ]);
  });

  it('never turns two records of one partition round, whatever their times say', () => {
    expect(names(inOrderOfOrigin([at('a', 2, 100), at('a', 1, 300), at('b', 1, 200)]))).toEqual(['b@1', 'a@1', 'a@2']);
  });

  it('of nothing is nothing', () => {
    expect(inOrderOfOrigin([])).toEqual([]);
  });
});
