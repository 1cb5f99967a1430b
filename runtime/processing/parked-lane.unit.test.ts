import { expect, it } from 'vitest';
import type { ParkedRecord } from '../../core/parked-records.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import type { TailEntry } from './parked-lane.ts';
import { nextStep } from './parked-lane.ts';

const parked: ParkedRecord = {
  lane: 'a',
  seq: 1n,
  record: consumedRecord({ at: 1 }),
  attempts: 1,
  dueInMs: 0,
  blocked: false,
  firstFailedAtMs: undefined,
  given: 0,
  isLast: true,
};
const entry = (changes: Partial<ParkedRecord> = {}, dueAtMs = 0): TailEntry => ({ parked: { ...parked, ...changes }, dueAtMs });
const empty = { tail: [], parking: 0, settling: 0, grown: false, stale: false, complete: true };

it.each([
  ['hands over the first record when it is due', { ...empty, tail: [entry()] }, 'hand-over'],
  ['hands over although earlier ones are not written off yet', { ...empty, tail: [entry()], settling: 3 }, 'hand-over'],
  ['waits for the due time of the first record', { ...empty, tail: [entry({}, 200), entry()] }, 'wait'],
  ['is blocked by a record that was given up', { ...empty, tail: [entry({ blocked: true }), entry()] }, 'block'],
  ['reads again what somebody else has changed', { ...empty, tail: [entry()], stale: true }, 'read'],
  ['reads on where a page ended', { ...empty, complete: false }, 'read'],
  ['reads what was parked since it read', { ...empty, grown: true }, 'read'],
  ['waits for what is on its way to the store', { ...empty, grown: true, parking: 1 }, 'write'],
  ['reads nothing before what it handled is written off', { ...empty, complete: false, settling: 1 }, 'settle'],
  ['is not let go before what it handled is written off', { ...empty, settling: 1 }, 'settle'],
  ['is let go when nothing is left, on its way, or unknown', empty, 'release'],
])('a lane %s', (_what, lane, step) => {
  expect(nextStep(lane, 100).kind).toBe(step);
});
