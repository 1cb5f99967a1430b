import { describe, expect, it } from 'vitest';
import { expectationOf, planDemo, UNREADABLE } from './plan.ts';
import { CounterBook, parseExposition, quantile } from './scrape.ts';

const catalogue = {
  characterOf: new Map(['a', 'b', 'c', 'd'].map((category) => [category, { id: `character-${category}`, name: category.toUpperCase() }])),
  unrewardedCategories: ['x', 'y'],
  charactersPerUserMax: 2,
};

describe('the plan of the demo', () => {
  const plan = planDemo({ run: 'r', seed: 7, count: 2_000, catalogue });
  const expectation = expectationOf(plan, catalogue);

  it('is the same for the same seed', () => {
    expect(planDemo({ run: 'r', seed: 7, count: 2_000, catalogue })).toEqual(plan);
  });

  it('holds every kind of outcome and of repetition', () => {
    const reasons = new Set(expectation.scans.map((scan) => `${scan.status} ${scan.rewardStatus} ${scan.failureReason ?? ''}`.trim()));
    expect([...reasons].sort()).toEqual([
      'completed failed already_owned',
      'completed failed max_characters_reached',
      'completed granted',
      'completed none',
      'failed none',
    ]);
    expect(plan.registrations.some((sent) => sent.isRepeated)).toBe(true);
    expect(plan.registrations.some((sent) => sent.isContradicted)).toBe(true);
    expect(plan.registrations.some((sent) => sent.category === UNREADABLE)).toBe(true);
  });

  it('expects no user to own more than the limit, nor anything twice', () => {
    for (const owned of expectation.characters.values()) {
      expect(owned.length).toBeLessThanOrEqual(2);
      expect(new Set(owned).size).toBe(owned.length);
    }
  });
});

describe('the counters of the demo', () => {
  it('survive a process that starts again from zero', () => {
    const book = new CounterBook();
    book.baseline('s', 100);
    for (const value of [110, 120, 5, 8]) book.record('s', value);
    expect(book.sum(() => true)).toBe(28);
  });

  it('are read from the exposition format', () => {
    const samples = parseExposition('# HELP x y\n# TYPE x counter\nx{a="1",b="two \\" quoted"} 3\nx 4\nx_bucket{le="+Inf"} 7\n');
    expect(samples.get('x')).toEqual([
      { labels: { a: '1', b: 'two \\" quoted' }, value: 3 },
      { labels: {}, value: 4 },
    ]);
  });

  it('give quantiles by interpolation', () => {
    const buckets = [
      { le: 1, count: 50 },
      { le: 2, count: 100 },
      { le: Number.POSITIVE_INFINITY, count: 100 },
    ];
    expect(quantile(buckets, 0.5)).toBe(1);
    expect(quantile(buckets, 0.75)).toBe(1.5);
    expect(quantile([], 0.5)).toBeUndefined();
  });
});
