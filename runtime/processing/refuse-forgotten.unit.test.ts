import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { imageRegistered } from '../../schemas/catalogue.ts';
import { arrived } from '../../test/support/arrived.ts';
import { ACKED } from '../../test/support/group-under-test.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import type { HandlerContext } from './event-handler.ts';
import { refuseForgotten } from './refuse-forgotten.ts';

const DAY_MS = 86_400_000;
const event = arrived(imageRegistered, { image_id: 'i1', user_id: 'u1', cdn_url: 'https://cdn.example/1' });

/** What becomes of a record of that age, when the inbox has forgotten what was handled more than so many days ago. */
async function doorOf(ageDays: number | undefined, inbox: { forgottenDays?: number; marked?: boolean; error?: Error }) {
  const clock = new ManualClock();
  let asked = 0;
  const handle = refuseForgotten(async () => ACKED, {
    clock,
    isProcessed: async () => inbox.marked ?? false,
    remembersFromMs: async () => {
      asked += 1;
      if (inbox.error !== undefined) throw inbox.error;
      return inbox.forgottenDays === undefined ? -Infinity : clock.nowMs() - inbox.forgottenDays * DAY_MS;
    },
  });
  const recordedAtMs = ageDays === undefined ? undefined : clock.nowMs() - ageDays * DAY_MS;
  const result = await handle(event, { recordedAtMs, awaiting: () => undefined } as unknown as HandlerContext);
  return [result.kind === 'failed' ? result.error.code : result.kind, asked];
}

describe('a record that comes from its topic', () => {
  it('is handled, and the inbox not asked, while no inbox can have forgotten it, or when it was given back from where it waited', async () => {
    expect(await doorOf(29.9, { forgottenDays: 1 })).toEqual(['acked', 0]);
    expect(await doorOf(undefined, { forgottenDays: 1 })).toEqual(['acked', 0]);
  });

  it('is refused when the inbox has forgotten whether it was handled', async () => {
    expect(await doorOf(32, { forgottenDays: 31 })).toEqual(['EVENT_FORGOTTEN', 1]);
    expect(new ClassifiedError('EVENT_FORGOTTEN', 'x').disposition).toBe('dead-letter');
  });

  it('is handled, however old, when the inbox has forgotten nothing so young, or still has its mark', async () => {
    expect(await doorOf(32, { forgottenDays: 33 })).toEqual(['acked', 1]);
    expect(await doorOf(400, {})).toEqual(['acked', 1]);
    expect(await doorOf(32, { forgottenDays: 31, marked: true })).toEqual(['acked', 1]);
  });

  it('is handled when it says no time, which is no age', async () => {
    const sinceEpochDays = (new ManualClock().nowMs() + 1) / DAY_MS;
    expect(await doorOf(sinceEpochDays, { forgottenDays: 31 })).toEqual(['acked', 0]);
  });

  it('waits when the inbox cannot be asked', async () => {
    expect(await doorOf(32, { error: new ClassifiedError('POSTGRES_UNAVAILABLE', 'away') })).toEqual(['POSTGRES_UNAVAILABLE', 1]);
  });
});
