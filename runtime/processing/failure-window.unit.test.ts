import { describe, expect, it } from 'vitest';
import { FailureWindow } from './failure-window.ts';

const window = () => new FailureWindow({ keysMin: 3, failurePercent: 50, keysMax: 10, windowMs: 1_000 });

describe('the window of failures', () => {
  it('trips when enough keys fail, and one key counts once however often it fails', () => {
    const seen = window();
    for (let time = 0; time < 50; time += 1) seen.note('poison', 'failed', time);
    seen.note('b', 'failed', 51);
    expect(seen.trips).toBe(false);
    seen.note('c', 'failed', 52);
    expect(seen.trips).toBe(true);
  });

  it('does not trip while most keys pass', () => {
    const seen = window();
    seen.note('a', 'failed', 0);
    for (const key of ['p', 'q', 'r', 's']) seen.note(key, 'passed', 1);
    seen.note('b', 'failed', 2);
    seen.note('c', 'failed', 3);
    expect(seen.trips).toBe(false);
    seen.note('d', 'failed', 4);
    expect(seen.trips).toBe(true);
  });

  it('takes the last word of a key', () => {
    const seen = window();
    for (const key of ['a', 'b', 'c']) seen.note(key, 'failed', 0);
    seen.note('b', 'passed', 1);
    expect(seen.trips).toBe(false);
  });

  it('forgets what is old, and who was seen long ago', () => {
    const seen = window();
    seen.note('a', 'failed', 0);
    seen.note('b', 'failed', 0);
    seen.note('c', 'failed', 1_000);
    expect(seen.trips).toBe(false);
    const busy = window();
    for (const key of ['a', 'b', 'c']) busy.note(key, 'failed', 0);
    for (let key = 0; key < 10; key += 1) busy.note(`k${key}`, 'passed', 1);
    for (const key of ['d', 'e']) busy.note(key, 'failed', 2);
    expect(busy.trips).toBe(false);
  });

  it('counts anew after a reset, and still knows who failed', () => {
    const seen = window();
    for (const key of ['a', 'b', 'c']) seen.note(key, 'failed', 5);
    seen.note('p', 'passed', 6);
    seen.reset();
    expect([seen.trips, seen.hasFailures, seen.lastFailureMs('a'), seen.lastFailureMs('p')]).toEqual([false, false, 5, undefined]);
    for (const key of ['a', 'b', 'c']) seen.note(key, 'known', 7);
    expect(seen.trips).toBe(false);
    for (const key of ['x', 'y', 'z']) seen.note(key, 'failed', 8);
    expect(seen.trips).toBe(true);
  });
});
