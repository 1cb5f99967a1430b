import { describe, expect, it } from 'vitest';
import { eagerClock } from '../test/support/eager-clock.ts';
import type { ItemResult } from './coalescer.ts';
import { Coalescer } from './coalescer.ts';

function coalescerOver(flush: (items: readonly number[]) => Promise<readonly ItemResult<string>[]>, itemsMax = 10) {
  return new Coalescer<number, string>({ itemsMax, lingerMs: 0, clock: eagerClock, flush });
}

const named = (items: readonly number[]): ItemResult<string>[] => items.map((item) => ({ ok: true, value: `#${item}` }));

describe('a coalescer', () => {
  it('makes one batch of what is asked for at once, and deals the results out in order', async () => {
    const batches: number[][] = [];
    const coalescer = coalescerOver(async (items) => {
      batches.push([...items]);
      return named(items);
    });
    expect(await Promise.all([1, 2, 3].map((item) => coalescer.add(item)))).toEqual(['#1', '#2', '#3']);
    expect(batches).toEqual([[1, 2, 3]]);
  });

  it('gathers the next batch while one is under way, never two at a time and never more than allowed', async () => {
    const batches: number[][] = [];
    let running = 0;
    let open: () => void = () => undefined;
    const first = new Promise<void>((resolve) => (open = resolve));
    let begun: () => void = () => undefined;
    const started = new Promise<void>((resolve) => (begun = resolve));
    const coalescer = coalescerOver(async (items) => {
      expect((running += 1)).toBe(1);
      batches.push([...items]);
      begun();
      if (batches.length === 1) await first;
      running -= 1;
      return named(items);
    }, 2);
    const all = [coalescer.add(1)];
    await started;
    all.push(...[2, 3, 4].map((item) => coalescer.add(item)));
    open();
    expect(await Promise.all(all)).toEqual(['#1', '#2', '#3', '#4']);
    expect(batches).toEqual([[1], [2, 3], [4]]);
  });

  it('gives a failed batch to each of its items, and works on', async () => {
    let calls = 0;
    const coalescer = coalescerOver(async (items) => {
      calls += 1;
      if (calls === 1) throw new Error('away');
      return items.map((item) => (item === 3 ? { ok: false, error: new Error('refused') } : { ok: true, value: `#${item}` }));
    });
    const failed = await Promise.allSettled([coalescer.add(1), coalescer.add(2)]);
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const mixed = await Promise.allSettled([coalescer.add(3), coalescer.add(4)]);
    expect(mixed).toMatchObject([
      { status: 'rejected', reason: { message: 'refused' } },
      { status: 'fulfilled', value: '#4' },
    ]);
  });
});
