import { expect, test } from 'vitest';
import { keepsUp, median, percentile } from './statistics.ts';

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

const lag = (rowsAt: (second: number) => number) =>
  Array.from({ length: 40 }, (_, index) => ({ atMs: index * 100, rows: rowsAt(index / 10) }));

test('a capture keeps up when its lag stays where it is, high or low, and when it only grew at the beginning', () => {
  expect(
    keepsUp(
      lag(() => 40),
      10_000,
    ),
  ).toBe(true);
  expect(
    keepsUp(
      lag(() => 4_000),
      10_000,
    ),
  ).toBe(true);
  expect(
    keepsUp(
      lag((second) => Math.min(second, 1) * 3_000),
      10_000,
    ),
  ).toBe(true);
});

test('a capture does not keep up when its lag grows all the time, and nothing is said of too few samples', () => {
  expect(
    keepsUp(
      lag((second) => second * 500),
      10_000,
    ),
  ).toBe(false);
  expect(
    keepsUp(
      lag((second) => second * 100),
      10_000,
    ),
  ).toBe(true);
  expect(keepsUp(lag(() => 0).slice(0, 3), 10_000)).toBe(false);
});
