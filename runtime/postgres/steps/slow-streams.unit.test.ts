import { expect, it } from 'vitest';
import { SlowStreams } from './slow-streams.ts';

const step = (...claims: string[]) => ({ claims });

it('a stream that was slow is known for a minute, by its key or its stream, and others are not', () => {
  let now = 0;
  const slow = new SlowStreams(() => now);
  expect(slow.has(step('key a', 'stream s'))).toBe(false);
  slow.remember(step('key a', 'stream s'));
  expect([step('key b', 'stream s'), step('key a', 'stream t'), step('key b', 'stream t')].map((one) => slow.has(one))).toEqual([
    true,
    true,
    false,
  ]);
  now = 60_000;
  expect(slow.has(step('key a', 'stream s'))).toBe(false);
});

it('the oldest ones are forgotten when there are too many', () => {
  const slow = new SlowStreams(() => 0);
  for (let index = 0; index <= 1_000; index += 1) slow.remember(step(`stream ${index}`));
  expect([0, 1, 1_000].map((index) => slow.has(step(`stream ${index}`)))).toEqual([false, true, true]);
});
