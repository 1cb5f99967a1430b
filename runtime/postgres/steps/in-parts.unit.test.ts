import { describe, expect, it } from 'vitest';
import { settle } from '../../../test/support/manual-clock.ts';
import { runInParts, split } from './in-parts.ts';

describe('work in parts', () => {
  it('goes on in the other lanes while one part takes its time, also when that falls into smaller ones', async () => {
    const begun: string[] = [];
    let end: (smaller: readonly string[]) => void = () => undefined;
    const done = runInParts(['slow', 'a', 'b'], 2, async (part) => {
      begun.push(part);
      return part.startsWith('slow') ? new Promise<readonly string[]>((resolve) => (end = resolve)) : [];
    });
    await settle();
    expect(begun).toEqual(['slow', 'a', 'b']);
    end(['slow one', 'c', 'd']);
    await settle();
    expect(begun.slice(3)).toEqual(['slow one', 'c', 'd']);
    end([]);
    await done;
  });

  it('has no more at the same time than there are lanes', async () => {
    let [now, most] = [0, 0];
    await runInParts(
      Array.from({ length: 20 }, (_, index) => index),
      3,
      async () => {
        most = Math.max(most, (now += 1));
        await settle();
        now -= 1;
        return [];
      },
    );
    expect(most).toBe(3);
  });

  it('is split into parts of about the same size, in order', () => {
    expect(split([1, 2, 3, 4, 5], 2)).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
    expect(split([1, 2], 8)).toEqual([[1], [2]]);
    expect(split([], 8)).toEqual([]);
  });
});
