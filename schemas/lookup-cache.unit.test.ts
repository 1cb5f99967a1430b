import { describe, expect, it } from 'vitest';
import { LookupCache } from './lookup-cache.ts';

function counting() {
  const source = {
    asked: 0,
    fails: false,
    ask: async () => {
      source.asked += 1;
      if (source.fails) throw new Error('no answer');
      return source.asked;
    },
  };
  return source;
}

describe('a lookup', () => {
  it('is asked once for all who wait for it, and never again when it is good for ever', async () => {
    const source = counting();
    const cache = new LookupCache<string, number>({ maxEntries: 2, failureTtlMs: () => 0 });
    expect(await Promise.all([cache.get('a', source.ask), cache.get('a', source.ask)])).toEqual([1, 1]);
    expect(await cache.get('a', source.ask)).toBe(1);
  });

  it('is asked again when its time is over', async () => {
    const source = counting();
    let nowMs = 0;
    const cache = new LookupCache<string, number>({ maxEntries: 2, ttlMs: 100, failureTtlMs: () => 0, nowMs: () => nowMs });
    await cache.get('a', source.ask);
    nowMs = 99;
    expect(await cache.get('a', source.ask)).toBe(1);
    nowMs = 100;
    expect(await cache.get('a', source.ask)).toBe(2);
  });

  it('is not asked for what was put there, and says what it knows', async () => {
    const source = counting();
    const cache = new LookupCache<string, number>({ maxEntries: 2, failureTtlMs: () => 30 });
    expect(cache.now('a')).toBeUndefined();
    cache.put('a', 7);
    expect([cache.now('a'), await cache.get('a', source.ask), source.asked]).toEqual([7, 7, 0]);
    source.fails = true;
    await expect(cache.get('b', source.ask)).rejects.toThrow();
    expect(cache.now('b')).toBeUndefined();
  });

  it('that failed is remembered as long as its failure says', async () => {
    const source = counting();
    source.fails = true;
    let nowMs = 0;
    let ttlMs = 30;
    const cache = new LookupCache<string, number>({ maxEntries: 2, failureTtlMs: () => ttlMs, nowMs: () => nowMs });
    await expect(cache.get('a', source.ask)).rejects.toThrow('no answer');
    await expect(cache.get('a', source.ask)).rejects.toThrow('no answer');
    expect(source.asked).toBe(1);
    nowMs = 30;
    ttlMs = 0;
    await expect(cache.get('a', source.ask)).rejects.toThrow('no answer');
    source.fails = false;
    expect(await cache.get('a', source.ask)).toBe(3);
  });

  it('that was used least recently makes room', async () => {
    const source = counting();
    const cache = new LookupCache<string, number>({ maxEntries: 2, failureTtlMs: () => 0 });
    await cache.get('a', source.ask);
    await cache.get('b', source.ask);
    await cache.get('a', source.ask);
    await cache.get('c', source.ask);
    expect(await cache.get('a', source.ask)).toBe(1);
    expect(await cache.get('b', source.ask)).toBe(4);
  });
});
