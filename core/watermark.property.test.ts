import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Watermark } from './watermark.ts';

/** Ascending positions with gaps, and an order in which they finish. */
const scenario = fc
  .uniqueArray(fc.bigInt({ min: 0n, max: 10_000n }), { minLength: 1, maxLength: 200 })
  .map((positions) => positions.sort((a, b) => (a < b ? -1 : 1)))
  .chain((positions) => fc.tuple(fc.constant(positions), fc.shuffledSubarray(positions)));

describe('a watermark', () => {
  it('is the last position of the longest finished prefix, whatever the order of finishing', () => {
    fc.assert(
      fc.property(scenario, ([positions, finishing]) => {
        const watermark = new Watermark();
        for (const position of positions) watermark.begin(position);
        const finished = new Set<bigint>();
        for (const position of finishing) {
          const before = watermark.finishedThrough;
          finished.add(position);
          const moved = watermark.finish(position);
          const firstUnfinished = positions.findIndex((candidate) => !finished.has(candidate));
          const expected = firstUnfinished === -1 ? positions.at(-1) : positions[firstUnfinished - 1];
          expect(watermark.finishedThrough).toBe(expected);
          expect(watermark.lowestUnfinished).toBe(firstUnfinished === -1 ? undefined : positions[firstUnfinished]);
          expect(moved).toBe(watermark.finishedThrough !== before);
        }
      }),
    );
  });

  it('stays bounded while a long stream passes', () => {
    const watermark = new Watermark();
    for (let position = 0n; position < 50_000n; position += 1n) {
      watermark.begin(position);
      watermark.finish(position);
    }
    expect(watermark.inFlight).toBe(0);
    expect(watermark.finishedThrough).toBe(49_999n);
  });

  it('refuses positions that do not ascend, and finishing what never began or twice', () => {
    const watermark = new Watermark();
    watermark.begin(5n);
    watermark.begin(7n);
    expect(() => watermark.begin(7n)).toThrow(RangeError);
    expect(() => watermark.finish(6n)).toThrow(RangeError);
    watermark.finish(7n);
    expect(() => watermark.finish(7n)).toThrow(RangeError);
    watermark.finish(5n);
    expect(() => watermark.finish(5n)).toThrow(RangeError);
  });
});
