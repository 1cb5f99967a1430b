import { expect, test } from 'vitest';
import { slopePerMinute } from './slope.ts';

test('the slope is that of the line through the points, per minute', () => {
  expect(slopePerMinute([0, 1, 2, 3].map((minute) => ({ atMs: minute * 60_000, value: 100 + 2 * minute })))).toBeCloseTo(2);
  expect(slopePerMinute([0, 1, 2, 3].map((minute) => ({ atMs: minute * 60_000, value: minute % 2 })))).toBeCloseTo(0.2);
});

test('a value that goes up and down around the same level has no slope, and one moment has none that could be told', () => {
  expect(slopePerMinute([5, 7, 7, 5].map((value, index) => ({ atMs: index * 1_000, value })))).toBeCloseTo(0);
  expect(slopePerMinute([{ atMs: 5, value: 1 }])).toBeNaN();
});
