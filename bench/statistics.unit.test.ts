import { expect, test } from 'vitest';
import { median, percentile } from './statistics.ts';

test('the median of an odd number of values is the middle one, of an even number the mean of the two middle ones', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([10, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test('a percentile is a value that occurred, by nearest rank, whatever the order of the values', () => {
  const values = Float64Array.from({ length: 1_000 }, (_, index) => 1_000 - index);
  expect(percentile(values, 0.5)).toBe(500);
  expect(percentile(values, 0.99)).toBe(990);
  expect(percentile(values, 0.999)).toBe(999);
  expect(percentile([7], 0.5)).toBe(7);
  expect(percentile([7], 0)).toBe(7);
  expect(percentile([], 0.5)).toBeNaN();
});
