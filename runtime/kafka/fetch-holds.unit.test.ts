import { expect, it } from 'vitest';
import { FetchHolds } from './fetch-holds.ts';

const one = { topic: 'events.happened', partition: 0 };
const other = { topic: 'events.happened', partition: 1 };

it('holds a partition while there is a reason, and knows whether any is held', () => {
  const holds = new FetchHolds();
  expect(holds.some).toBe(false);
  holds.pause(one);
  holds.beginBackoff(one);
  holds.resume(one);
  expect([holds.holds(one), holds.holds(other), holds.some]).toEqual([true, false, true]);
  holds.endBackoff(one);
  expect([holds.holds(one), holds.some]).toEqual([false, false]);
  holds.pause(other);
  holds.clear();
  expect([holds.holds(other), holds.some]).toEqual([false, false]);
});
