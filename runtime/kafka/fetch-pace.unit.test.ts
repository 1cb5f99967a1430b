import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FetchPace } from './fetch-pace.ts';

describe('the pace of fetches', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is hasty while something was held back a moment ago, and calm when nothing is or it stays so', () => {
    const waits: number[] = [];
    const pace = new FetchPace(250, (waitMs) => waits.push(waitMs));
    pace.changed(true);
    vi.advanceTimersByTime(1_500);
    pace.changed(true);
    vi.advanceTimersByTime(1_500);
    pace.changed(false);
    vi.advanceTimersByTime(60_000);
    expect(waits).toEqual([10, 10, 250]);
    pace.changed(true);
    vi.advanceTimersByTime(60_000);
    expect(waits.slice(3)).toEqual([10, 250]);
    pace.changed(true);
    expect(waits.at(-1)).toBe(10);
    pace.stop();
    vi.advanceTimersByTime(60_000);
    expect(waits.at(-1)).toBe(10);
  });
});
