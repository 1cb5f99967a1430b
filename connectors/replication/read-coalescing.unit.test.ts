import { describe, expect, it } from 'vitest';
import { RecentRate, coalesceMs } from './read-coalescing.ts';
import { Tap } from './tap.ts';

const MIB = 1024 * 1024;
const load = { bytes: 60_000, bytesMax: MIB, rowsPerSecond: 50_000, bytesPerSecond: 30_000_000, behindMs: 0 };

describe('the pause after a read', () => {
  it('is none when little comes, however far behind', () => {
    expect(coalesceMs({ ...load, rowsPerSecond: 5_000 })).toBe(0);
    expect(coalesceMs({ ...load, rowsPerSecond: 5_000, behindMs: 60_000 })).toBe(0);
  });

  it('is short under load, and grows with how late the rows are already', () => {
    expect(coalesceMs(load)).toBe(1);
    expect(coalesceMs({ ...load, behindMs: 100 })).toBe(5);
    expect(coalesceMs({ ...load, behindMs: 300 })).toBe(15);
  });

  it('is no longer than it takes to gather half of a full read, and never so long that the system acknowledges by itself', () => {
    expect(coalesceMs({ ...load, behindMs: 60_000 })).toBe(17);
    expect(coalesceMs({ ...load, behindMs: 60_000, bytesPerSecond: 100_000_000 })).toBe(5);
    expect(coalesceMs({ ...load, behindMs: 60_000, bytesPerSecond: 5_000_000 })).toBe(30);
  });

  it('is short after a read that left something behind, so that the pauses never limit the rate', () => {
    expect(coalesceMs({ ...load, behindMs: 60_000, bytes: MIB })).toBe(1);
    // A reader that takes no time and a server that sends what is taken: the pauses are the only limit there is.
    const perMs = 60_000;
    let [waiting, taken, nowMs, pauseMs] = [0, 0, 0, 1];
    for (; nowMs < 2_000; nowMs += pauseMs) {
      const bytes = Math.min(MIB, waiting);
      waiting += perMs * pauseMs - bytes;
      taken += bytes;
      pauseMs = coalesceMs({ ...load, behindMs: 60_000, bytes, bytesPerSecond: (taken * 1000) / (nowMs + 1) });
    }
    expect(taken / nowMs).toBeGreaterThan(perMs * 0.95);
    expect(waiting).toBeLessThan(3 * MIB);
  });

  it('follows the rate within a tenth of a second, up and down', () => {
    const rate = new RecentRate(0);
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
