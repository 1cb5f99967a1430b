import { describe, expect, it } from 'vitest';
import { deal } from './kafkajs-assigner.ts';

function partitions(topic: string, count: number): { topic: string; partition: number }[] {
  return Array.from({ length: count }, (_, partition) => ({ topic, partition }));
}

describe('dealing out partitions', () => {
  it('gives each partition to one reader, evenly', () => {
    const readers = ['a', 'b', 'c'].map((memberId) => ({ memberId, topics: ['x', 'y'] }));
    const hands = deal(readers, [...partitions('x', 3), ...partitions('y', 4)]);
    expect(hands.map(({ assignment }) => Object.values(assignment).flat().length)).toEqual([3, 2, 2]);
    expect(hands.flatMap(({ assignment }) => assignment['x'] ?? []).sort()).toEqual([0, 1, 2]);
  });

  it('gives a topic only to members that read it, as while a version with one more topic is rolled out', () => {
    const readers = [
      { memberId: 'old', topics: ['x'] },
      { memberId: 'new', topics: ['x', 'y'] },
    ];
    const [old, young] = deal(readers, [...partitions('x', 2), ...partitions('y', 2)]);
    expect(old?.assignment).toEqual({ x: [0] });
    expect(young?.assignment).toEqual({ x: [1], y: [0, 1] });
  });

  it('leaves out what nobody reads, and gives an empty hand to a reader too many', () => {
    expect(deal([{ memberId: 'a', topics: ['x'] }], partitions('z', 1))).toEqual([{ memberId: 'a', assignment: {} }]);
    const readers = ['a', 'b'].map((memberId) => ({ memberId, topics: ['x'] }));
    expect(deal(readers, partitions('x', 1))[1]).toEqual({ memberId: 'b', assignment: {} });
  });
});
