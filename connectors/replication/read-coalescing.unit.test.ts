import { describe, expect, it } from 'vitest';
import { RowRate, coalesceMs } from './read-coalescing.ts';
import { Tap } from './tap.ts';

const load = { rows: 100, transactions: 100, rowsPerSecond: 50_000, behindMs: 0 };

describe('the pause after a read', () => {
  it('is none when little comes, however far behind', () => {
    expect(coalesceMs({ ...load, rowsPerSecond: 5_000 })).toBe(0);
    expect(coalesceMs({ ...load, rowsPerSecond: 5_000, behindMs: 60_000 })).toBe(0);
  });

  it('is short under load, and longer far behind in small transactions only', () => {
    expect(coalesceMs(load)).toBe(1);
    expect(coalesceMs({ ...load, behindMs: 60_000 })).toBe(5);
    expect(coalesceMs({ ...load, behindMs: 60_000, rows: 1000, transactions: 1 })).toBe(1);
    // In the middle of a transaction that began in an earlier read.
    expect(coalesceMs({ ...load, behindMs: 60_000, rows: 1000, transactions: 0 })).toBe(1);
  });

  it('follows the rate of rows within a tenth of a second, up and down', () => {
    const rate = new RowRate(0);
    let last = 0;
    for (let ms = 1; ms <= 100; ms += 1) last = rate.add(20, ms);
    expect(last).toBeGreaterThan(15_000);
    for (let ms = 110; ms <= 300; ms += 10) last = rate.add(5, ms);
    expect(last).toBeLessThan(1_500);
    expect(rate.add(1, 10_000)).toBeLessThan(10);
  });
});

describe('a tap', () => {
  it('is open only while nothing closes it, and says each change once', () => {
    const turns: boolean[] = [];
    const tap = new Tap<'a' | 'b'>((open) => turns.push(open));
    tap.open('a');
    tap.close('a');
    tap.close('a');
    tap.close('b');
    tap.open('a');
    expect([tap.isOpen, tap.isClosedFor('a'), tap.isClosedFor('b'), turns]).toEqual([false, false, true, [false]]);
    tap.open('b');
    expect([tap.isOpen, turns]).toEqual([true, [false, true]]);
  });
});
