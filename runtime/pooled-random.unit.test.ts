import { describe, expect, it } from 'vitest';
import { createPooledRandom } from './pooled-random.ts';

describe('random bytes out of a supply', () => {
  it('are as many as were asked for, and never the same ones twice', () => {
    const random = createPooledRandom();
    const texts = Array.from({ length: 2_000 }, () => Buffer.from(random(8)).toString('hex'));
    expect(texts.every((text) => text.length === 16)).toBe(true);
    expect(new Set(texts).size).toBe(2_000);
    expect(random(10_000)).toHaveLength(10_000);
  });
});
