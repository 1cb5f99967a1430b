import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { History, RedisProjection } from '../../core/define-projection.ts';
import type { EventRecord } from '../../core/envelope.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { MetricName, Metrics } from '../../core/metrics.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { Names } from '../../core/names.ts';
import { eagerClock } from '../../test/support/eager-clock.ts';
import { eventually } from '../../test/support/eventually.ts';
import { services, uniqueNamespace } from '../../test/support/services.ts';
import { CommittedHistory, deliveriesOf, deliveryChoices, HistoryBuilder, userHistories } from '../../test/support/user-history.ts';
import { characterList, characterListKey } from '../character-list/character-list.ts';
import { isoWeek } from '../weekly-ranking/iso-week.ts';
import { weeklyRanking, weeklyRankingKey } from '../weekly-ranking/weekly-ranking.ts';
import type { RedisConnection } from './redis-connection.ts';
import { createRedisConnection } from './redis-connection.ts';
import { countedKey } from './redis-documents.ts';
import { createRedisProjector } from './redis-projector.ts';
import { characterListOf, createRedisReader, weeklyRankingOf } from './redis-reader.ts';

const names = new Names(uniqueNamespace('redis'));
const ranking = weeklyRanking();
let connection: RedisConnection;

beforeAll(async () => {
  connection = createRedisConnection({ url: services().redisUrl, logger: SILENT_LOGGER });
  await connection.start(new AbortController().signal);
});

afterAll(async () => {
  for (const pattern of [names.redisKey('*'), `{${names.redisKey('*')}`]) {
    const keys = await connection.client.keys(pattern);
    if (keys.length > 0) await connection.client.del(...keys);
  }
  await connection.stop(AbortSignal.abort());
});

function projectorOf(projection: RedisProjection, history: History, metrics: Metrics = NO_METRICS) {
  const options = { names, history, metrics, logger: SILENT_LOGGER, clock: eagerClock };
  return createRedisProjector({ projection, redis: connection.client, ...options });
}

function readerOf() {
  return createRedisReader({ redis: connection.client, names, weeklyRanking: ranking });
}

/** A user with a life of their own, whose first two events are in the store already. */
function newUser(versionsBefore = 0n) {
  const user = new HistoryBuilder(`user-${randomUUID()}`, versionsBefore);
  const acquire = (id: string) =>
    user.add('CharacterAcquired', { user_id: user.userId, character_id: id, character_name: id, source: 'scan', source_id: 's' });
  const lose = (id: string) => user.add('CharacterLost', { user_id: user.userId, character_id: id, reason: 'traded' });
  return { user, acquire, lose, key: names.redisKey(characterListKey(user.userId)) };
}

function storeOf(user: HistoryBuilder): CommittedHistory {
  return new CommittedHistory(user.events, user.events.length);
}

const ACKED = { kind: 'acked' };
const STALE = { kind: 'skipped', reason: 'stale-version' };

describe('a hash in Redis', () => {
  it('ignores an older event and a repeated one', async () => {
    const { user, acquire, lose } = newUser();
    const events = [acquire('a'), lose('a'), acquire('a')] as const;
    const projector = projectorOf(characterList, storeOf(user));
    expect(await projector.handle(events[2])).toEqual(ACKED);
    expect(await projector.handle(events[1])).toEqual(STALE);
    expect(await projector.handle(events[2])).toEqual(STALE);
    expect(await readerOf().characterList(user.userId)).toEqual([
      { id: 'a', name: 'a', acquired_at: events[2].occurredAt, source: 'scan' },
    ]);
  });

  it('keeps a tombstone that wins over a late older acquisition', async () => {
    const { user, acquire, lose, key } = newUser();
    const [kept, late, lost] = [acquire('kept'), acquire('a'), lose('a')];
    const store = new CommittedHistory(user.events, 1);
    const projector = projectorOf(characterList, store);
    expect(await projector.handle(kept)).toEqual(ACKED);
    expect(await projector.handle(lost)).toEqual(ACKED);
    expect(await projector.handle(late)).toEqual(STALE);
    expect((await readerOf().characterList(user.userId))?.map(({ id }) => id)).toEqual(['kept']);
    expect(await connection.client.hget(key, '_v:a')).toBe('3');
  });

  it('folds a missing document from history before a later event counts, and says that the event is in it', async () => {
    const { user, acquire, key } = newUser();
    acquire('a');
    const later = acquire('b');
    const counted: [MetricName, unknown][] = [];
    const metrics: Metrics = { ...NO_METRICS, count: (name, labels) => counted.push([name, labels]) };
    expect(await projectorOf(characterList, storeOf(user), metrics).handle(later)).toEqual(ACKED);
    expect((await readerOf().characterList(user.userId))?.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(counted).toEqual([['millrace_projected_total', { projection: 'character-list' }]]);
    expect(await connection.client.pttl(key)).toBeGreaterThan(86_000_000);
  });

  it('ends the same when many processes find it missing at once', async () => {
    const { user, acquire, lose } = newUser();
    for (let index = 0; index < 20; index += 1) acquire(`c${index % 5}`);
    lose('c3');
    const projectors = Array.from({ length: 5 }, () => projectorOf(characterList, storeOf(user)));
    const results = await Promise.all(user.events.flatMap((event) => projectors.map((projector) => projector.handle(event))));
    expect(results.filter(({ kind }) => kind === 'failed')).toEqual([]);
    expect(await readerOf().characterList(user.userId)).toEqual(characterListOf(user.userId, user.events));
  });

  it('compares versions above 2^53 exactly, and 9 as less than 10', async () => {
    for (const before of [9_007_199_254_740_991n, 8n, 99n]) {
      const { user, acquire, lose } = newUser(before);
      const [first, second, third] = [acquire('a'), lose('a'), acquire('a')];
      const projector = projectorOf(characterList, new CommittedHistory(user.events, 1));
      expect(await projector.handle(first)).toEqual(ACKED);
      expect(await projector.handle(second)).toEqual(ACKED);
      expect(await projector.handle(first)).toEqual(STALE);
      expect(await readerOf().characterList(user.userId)).toEqual([]);
      expect(await projector.handle(third)).toEqual(ACKED);
      expect(await projector.handle(second)).toEqual(STALE);
    }
  });

  it('tells an empty document from a missing one, and half a document is a missing one', async () => {
    const { user, key } = newUser();
    expect(await readerOf().characterList(user.userId)).toBeUndefined();
    await connection.client.hset(key, 'a', '{}', '_v:a', '1');
    expect(await readerOf().characterList(user.userId)).toBeUndefined();
    await connection.client.del(key);
    await readerOf().fillCharacterList(user.userId, []);
    expect(await readerOf().characterList(user.userId)).toEqual([]);
  });

  it('is not set back by a reader that fills it with what it read before', async () => {
    const { user, acquire, lose } = newUser();
    const acquired = acquire('a');
    const lost = lose('a');
    await projectorOf(characterList, storeOf(user)).handle(lost);
    await readerOf().fillCharacterList(user.userId, [acquired]);
    expect(await readerOf().characterList(user.userId)).toEqual([]);
  });

  it('that something else has made under its name fails its own events and no others', async () => {
    const [broken, sound] = [newUser(), newUser()];
    await connection.client.set(broken.key, 'text');
    const projector = projectorOf(characterList, new CommittedHistory([]));
    const results = await Promise.all([projector.handle(broken.acquire('a')), projector.handle(sound.acquire('a'))]);
    expect(results).toMatchObject([{ kind: 'failed', error: { code: 'DOCUMENT_INVALID' } }, { kind: 'acked' }]);
  });

  it('is written on although the server has forgotten the scripts', async () => {
    const { user, acquire } = newUser();
    const projector = projectorOf(characterList, storeOf(user));
    await connection.client.script('FLUSH');
    expect(await projector.handle(acquire('a'))).toEqual(ACKED);
  });

  it('takes no event whose time is over before the write begins', async () => {
    const { user, acquire } = newUser();
    const result = await projectorOf(characterList, storeOf(user)).handle(acquire('a'), { signal: AbortSignal.abort() });
    expect(result).toMatchObject({ kind: 'failed', error: { code: 'HANDLER_TIMEOUT' } });
    expect(await readerOf().characterList(user.userId)).toBeUndefined();
  });
});

describe('a sorted set in Redis', () => {
  const weekOf = (event: EventRecord) => isoWeek(event.occurredAt, 'Asia/Seoul');

  /** Each test has a week of its own. */
  let year = 3000;
  function inNewWeek(...users: readonly { readonly user: HistoryBuilder }[]): EventRecord[] {
    year += 1;
    return users
      .flatMap(({ user }) => user.events)
      .map((event, index) => ({ ...event, occurredAt: `${year}-06-15T10:00:00.${index.toString().padStart(6, '0')}Z` }));
  }

  it('counts each event once, in any order, however often it comes', async () => {
    const one = newUser();
    for (const id of ['a', 'b', 'c']) one.acquire(id);
    const events = inNewWeek(one);
    const projector = projectorOf(ranking, new CommittedHistory([]));
    const results = await Promise.all([...events, ...events].reverse().map((event) => projector.handle(event)));
    expect(results.filter(({ kind }) => kind === 'acked').length).toBeGreaterThanOrEqual(3);
    for (const event of events) expect(await projector.handle(event)).toEqual(STALE);
    expect(await readerOf().weeklyRanking(weekOf(events[0]!), 10)).toEqual([{ rank: 1, user_id: one.user.userId, count: 3 }]);
  });

  it('that is missing is counted from the whole week, by many processes at once', async () => {
    const users = [newUser(), newUser(), newUser()];
    for (const [index, { acquire }] of users.entries()) for (let n = 0; n <= index; n += 1) acquire(`c${n}`);
    const events = inNewWeek(...users);
    const projectors = Array.from({ length: 4 }, () => projectorOf(ranking, new CommittedHistory(events, events.length)));
    await Promise.all(projectors.map((projector) => projector.handle(events.at(-1)!)));
    const expected = weeklyRankingOf(ranking, weekOf(events[0]!), events, 10);
    expect(expected.map(({ count }) => count)).toEqual([3, 2, 1]);
    expect(await readerOf().weeklyRanking(weekOf(events[0]!), 10)).toEqual(expected);
  });

  it('is folded from pages of the week, and never needs a whole day in one answer', async () => {
    const users = [newUser(), newUser()];
    for (const { acquire } of users) for (const id of ['a', 'b', 'c']) acquire(id);
    const events = inNewWeek(...users);
    const history = new CommittedHistory(events, events.length);
    const pagesOnly: History = { pages: (query) => history.pages(query), events: () => expect.fail('all at once') };
    expect(await projectorOf(ranking, pagesOnly).handle(events[0]!)).toEqual(ACKED);
    expect(await readerOf().weeklyRanking(weekOf(events[0]!), 10)).toEqual(weeklyRankingOf(ranking, weekOf(events[0]!), events, 10));
  });

  it('of which one half is lost is counted anew', async () => {
    const { user, acquire } = newUser();
    for (const id of ['a', 'b', 'c']) acquire(id);
    const events = inNewWeek({ user });
    const projector = projectorOf(ranking, new CommittedHistory(events, 3));
    const key = names.redisKey(weeklyRankingKey(weekOf(events[0]!)));
    for (const lost of [key, countedKey(key)]) {
      await projector.handle(events[0]!);
      expect(await connection.client.zscore(key, user.userId)).toBe('3');
      await connection.client.del(lost);
      expect(await readerOf().weeklyRanking(weekOf(events[0]!), 10)).toBeUndefined();
      expect(await projector.handle(events[2]!)).toEqual(ACKED);
      expect(await connection.client.zscore(key, user.userId)).toBe('3');
    }
  });

  it('shows the best, ties by name also where the list is cut', async () => {
    const week = '2999-W01';
    const counts = new Map([
      ['d', 1],
      ['b', 2],
      ['a', 1],
      ['c', 1],
      ['e', 3],
    ]);
    await readerOf().fillWeeklyRanking(week, []);
    expect(await readerOf().weeklyRanking(week, 3)).toEqual([]);
    const key = names.redisKey(weeklyRankingKey(week));
    for (const [user, count] of counts) {
      await connection.client.zadd(key, count, user);
      await connection.client.sadd(countedKey(key), `1:${user}`);
    }
    expect(await readerOf().weeklyRanking(week, 4)).toEqual([
      { rank: 1, user_id: 'e', count: 3 },
      { rank: 2, user_id: 'b', count: 2 },
      { rank: 3, user_id: 'a', count: 1 },
      { rank: 3, user_id: 'c', count: 1 },
    ]);
    expect(await readerOf().weeklyRanking(week, 100)).toHaveLength(5);
  });
});

describe('read models in a real Redis', () => {
  it('equal the fold of the history in every order of delivery', async () => {
    await fc.assert(
      fc.asyncProperty(userHistories('user-1'), deliveryChoices, async (history, choices) => {
        const runNames = new Names(names.namespace);
        const userId = `user-${randomUUID()}`;
        const events = history.events.map((event) => ({
          ...event,
          aggregateId: userId,
          payload: { ...(event.payload as object), user_id: userId },
        }));
        const own = events.map((event) => (event.streamId === 'user-1' ? { ...event, streamId: userId } : event));
        const store = new CommittedHistory(own);
        const options = {
          names: runNames,
          history: store,
          metrics: NO_METRICS,
          logger: SILENT_LOGGER,
          clock: eagerClock,
          redis: connection.client,
        };
        const projectors = [characterList, ranking].map((projection) => createRedisProjector({ projection, ...options }));
        const wanted = new Set(characterList.reads.map((event) => event.type));
        for (const delivery of deliveriesOf({ userId, events: own }, wanted, choices)) {
          store.committed = delivery.committed;
          for (const result of await Promise.all(
            delivery.events.flatMap((event) => projectors.map((projector) => projector.handle(event))),
          )) {
            expect(result.kind).not.toBe('failed');
          }
          if (delivery.disturb) await connection.client.del(runNames.redisKey(characterListKey(userId)));
        }
        const list = await readerOf().characterList(userId);
        if (list !== undefined) expect(list).toEqual(characterListOf(userId, own));
        const acquired = own.filter((event) => event.type === 'CharacterAcquired');
        for (const week of new Set(acquired.map(weekOfSeoul))) {
          const mine = acquired.filter((event) => weekOfSeoul(event) === week).length;
          expect(await connection.client.zscore(runNames.redisKey(weeklyRankingKey(week)), userId)).toBe(mine.toString());
        }
      }),
      { numRuns: 40 },
    );
  });

  it('say nothing before the connection is there, and work when it is', async () => {
    const later = createRedisConnection({ url: services().redisUrl, logger: SILENT_LOGGER });
    const { user, acquire } = newUser();
    const options = {
      projection: characterList,
      redis: later.client,
      names,
      history: storeOf(user),
      metrics: NO_METRICS,
      logger: SILENT_LOGGER,
      clock: eagerClock,
    };
    const event = acquire('a');
    await later.start(new AbortController().signal);
    await eventually(async () => (await createRedisProjector(options).handle(event)).kind === 'acked');
    await later.stop(AbortSignal.abort());
    await later.stop(AbortSignal.abort());
    expect(await createRedisProjector(options).handle(event)).toMatchObject({ kind: 'failed', error: { code: 'REDIS_UNAVAILABLE' } });
  });
});

function weekOfSeoul(event: EventRecord): string {
  return isoWeek(event.occurredAt, 'Asia/Seoul');
}
