import { expect, test } from 'vitest';
import { keepsUp } from './keeps-up.ts';

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
