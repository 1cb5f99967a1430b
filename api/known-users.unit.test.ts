import { setImmediate as tick } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../core/errors.ts';
import { HandClock } from '../test/support/api-harness.ts';
import { KNOWN_USERS, KnownUsers } from './known-users.ts';

function directory(answer: (userId: string) => Promise<boolean>, options = KNOWN_USERS) {
  const asked: string[] = [];
  const clock = new HandClock();
  const isKnownUser = async (userId: string): Promise<boolean> => {
    asked.push(userId);
    return answer(userId);
  };
  return { asked, clock, users: new KnownUsers({ isKnownUser }, clock, options) };
}
const away = () => Promise.reject(new ClassifiedError('POSTGRES_UNAVAILABLE', 'away'));

describe('the memory of known users', () => {
  it('keeps a known user for a minute and an unknown one for five seconds', async () => {
    const { users, asked, clock } = directory(async (userId) => userId === 'ada');
    const both = async () => [await users.isKnown('ada'), await users.isKnown('eve')];
    expect(await both()).toEqual([true, false]);
    await clock.turn(4_999);
    await both();
    expect(asked).toEqual(['ada', 'eve']);
    await clock.turn(1);
    await both();
    expect(asked).toEqual(['ada', 'eve', 'eve']);
    await clock.turn(55_000);
    await both();
    expect(asked).toEqual(['ada', 'eve', 'eve', 'ada', 'eve']);
  });

  it('does not ask together again for all who came together', async () => {
    const { users, asked, clock } = directory(async () => true);
    const userIds = Array.from({ length: 300 }, (_, index) => `user-${index}`);
    for (let second = 0; second <= 60; second += 1) {
      asked.length = 0;
      for (const userId of userIds) await users.isKnown(userId);
      if (second > 0) expect(asked.length, `in second ${second}`).toBeLessThan(20);
      await clock.turn(1_000);
    }
  });

  it('lets a user in soon after registering', async () => {
    let registered = false;
    const { users, clock } = directory(async () => registered);
    expect(await users.isKnown('ada')).toBe(false);
    registered = true;
    await clock.turn(5_000);
    expect(await users.isKnown('ada')).toBe(true);
  });

  it('is bounded, and forgets who was not seen for longest', async () => {
    const { users, asked } = directory(async () => true, { ...KNOWN_USERS, entriesMax: 2 });
    for (const userId of ['a', 'b', 'a', 'c', 'a', 'b']) await users.isKnown(userId);
    expect(asked).toEqual(['a', 'b', 'c', 'b']);
  });

  it('asks once for many requests of one user at the same time', async () => {
    const { users, asked } = directory(async () => {
      await tick();
      return true;
    });
    expect(await Promise.all([users.isKnown('a'), users.isKnown('a'), users.isKnown('a')])).toEqual([true, true, true]);
    expect(asked).toEqual(['a']);
  });

  it('trusts the token while the directory is away, and asks again only after a pause', async () => {
    let answer: () => Promise<boolean> = away;
    const { users, asked, clock } = directory(() => answer());
    expect([await users.isKnown('ada'), await users.isKnown('eve')]).toEqual([true, true]);
    expect(asked).toEqual(['ada']);
    answer = async () => false;
    await clock.turn(KNOWN_USERS.awayForMs);
    expect(await users.isKnown('eve')).toBe(false);
  });

  it('does not wait for a directory that hangs', async () => {
    const { users, clock } = directory(() => new Promise(() => undefined));
    const known = users.isKnown('ada');
    await tick();
    await clock.turn(KNOWN_USERS.answerWithinMs);
    expect(await known).toBe(true);
  });

  it('does not mistake a fault for an outage: nobody is let in by a bug', async () => {
    const { users } = directory(() => Promise.reject(new Error('no such column')));
    await expect(users.isKnown('ada')).rejects.toMatchObject({ code: 'UNCLASSIFIED' });
  });
});
