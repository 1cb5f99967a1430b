import { describe, expect, it } from 'vitest';
import { offset } from '../../core/offset.ts';
import type { PartitionSight, StallMemory, StallStep } from './stall.ts';
import { DEFAULT_STALL, judgeStall } from './stall.ts';

const LOOK_MS = 15_000;

function sight(partition: number, position: bigint, more: Partial<PartitionSight> = {}): PartitionSight {
  return { topic: 'events.happened', partition, position: offset(position), isBehind: true, standsFor: undefined, ...more };
}

/** The steps of one look after another, each 15 s after the one before. */
function steps(...looks: readonly (readonly PartitionSight[])[]): StallStep[] {
  let memory: StallMemory = new Map();
  return looks.map((sights) => {
    const judged = judgeStall(memory, sights, LOOK_MS, DEFAULT_STALL);
    memory = judged.memory;
    return judged.step;
  });
}

function times<T>(count: number, what: T): T[] {
  return Array.from({ length: count }, () => what);
}

describe('a stall', () => {
  it('is told after a minute, gets another consumer after two, and ends the process after five', () => {
    const taken = steps(...times(21, [sight(0, 7n)]));
    expect(taken.slice(0, 4)).toEqual(times(4, 'fine'));
    expect(taken[4]).toBe('dump');
    expect(taken.slice(5, 8)).toEqual(times(3, 'report'));
    expect(taken[8]).toBe('recreate');
    expect(taken.slice(9, 20)).toEqual(times(11, 'report'));
    expect(taken[20]).toBe('end-process');
  });

  it.each([
    ['has moved since', [sight(0, 8n)]],
    ['has nothing to handle', [sight(0, 7n, { isBehind: false })]],
    ['waits for a dependency', [sight(0, 7n, { standsFor: 'dependency' as const })]],
    ['waits for its dead-letter topic', [sight(0, 7n, { standsFor: 'dead-letter-topic' as const })]],
    ['waits for the place where it parks', [sight(0, 7n, { standsFor: 'parking' as const })]],
    ['runs a handler within its deadline', [sight(0, 7n, { standsFor: 'handler' as const })]],
    ['waits for its turn among the lanes', [sight(0, 7n, { standsFor: 'lanes-full' as const })]],
    ['was given away', []],
  ])('is none any more when the partition %s, and is counted from the beginning if it comes again', (_what, otherwise) => {
    const taken = steps(...times(8, [sight(0, 7n)]), otherwise, ...times(3, [sight(0, 7n)]));
    expect(taken.slice(8)).toEqual(times(4, 'fine'));
  });

  it('is seen although other partitions get on', () => {
    const taken = steps(...Array.from({ length: 5 }, (_, look) => [sight(0, 7n), sight(1, BigInt(look))]));
    expect(taken).toEqual(['fine', 'fine', 'fine', 'fine', 'dump']);
  });

  it('names the partitions, the longest first', () => {
    let memory: StallMemory = new Map();
    for (let look = 0; look < 8; look += 1) {
      const late = look < 2 ? [] : [sight(1, 3n)];
      const judged = judgeStall(memory, [...late, sight(0, 7n), sight(2, BigInt(look))], LOOK_MS, DEFAULT_STALL);
      memory = judged.memory;
      if (look === 7)
        expect(judged.stalled.map(({ partition, silentMs }) => [partition, silentMs])).toEqual([
          [0, 105_000],
          [1, 75_000],
        ]);
    }
  });

  it('does not make one consumer after another: what a new one does not mend ends the process, in whatever parts the partitions come back', () => {
    const standing = [sight(0, 7n), sight(1, 3n)];
    const taken = steps(...times(9, standing), ...times(3, []), ...times(4, [sight(1, 3n)]), ...times(13, standing));
    expect(taken.filter((step) => step === 'recreate')).toHaveLength(1);
    expect(taken).toContain('end-process');
  });

  it('ends no process for what a new consumer has mended', () => {
    const taken = steps(...times(9, [sight(0, 7n)]), [sight(0, 9n)], ...times(4, [sight(0, 9n)]));
    expect(taken.slice(9)).toEqual(['fine', 'fine', 'fine', 'fine', 'dump']);
  });
});
