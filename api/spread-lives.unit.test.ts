import { expect, it } from 'vitest';
import { spreadLives } from './spread-lives.ts';

it('lets no tenth of the time take more than its share of the ends of what began together, and nobody live longer than allowed', () => {
  const live = spreadLives(60_000);
  const lives = Array.from({ length: 1_000 }, () => live());
  expect(Math.max(...lives)).toBe(60_000);
  expect(Math.min(...lives)).toBeGreaterThan(30_000);
  const perTenth = new Map<number, number>();
  for (const ms of lives) perTenth.set(Math.ceil(ms / 3_000), (perTenth.get(Math.ceil(ms / 3_000)) ?? 0) + 1);
  expect(perTenth.size).toBe(10);
  expect(Math.max(...perTenth.values())).toBeLessThan(110);
});
