import { describe, expect, it } from 'vitest';
import { pauseMs } from './topic-watch.ts';

describe('the looks at a topic', () => {
  it('are few while much is missing, and closer the nearer the end is', () => {
    const samples = [
      { atMs: 0, records: 1_000 },
      { atMs: 100, records: 11_000 },
    ];
    expect(pauseMs(samples, 1_000_000)).toBe(100);
    expect(pauseMs(samples, 12_000)).toBe(5);
    expect(pauseMs(samples, 15_000)).toBe(10);
  });

  it('are close while nothing has come, and not as close when nothing was added', () => {
    expect(pauseMs([{ atMs: 0, records: 0 }], 10)).toBe(5);
    expect(
      pauseMs(
        [
          { atMs: 0, records: 3 },
          { atMs: 5, records: 3 },
        ],
        10,
      ),
    ).toBe(20);
  });
});
