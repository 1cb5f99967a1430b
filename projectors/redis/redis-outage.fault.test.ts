import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EventRecord } from '../../core/envelope.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { Names } from '../../core/names.ts';
import { stackDown, stackReset, stackUp } from '../../stack/stack.ts';
import { eagerClock } from '../../test/support/eager-clock.ts';
import { eventually } from '../../test/support/eventually.ts';
import { CommittedHistory, HistoryBuilder } from '../../test/support/user-history.ts';
import { characterList } from '../character-list/character-list.ts';
import type { RedisConnection } from './redis-connection.ts';
import { createRedisConnection } from './redis-connection.ts';
import { createRedisProjector } from './redis-projector.ts';
import { createRedisReader } from './redis-reader.ts';
import { weeklyRanking } from '../weekly-ranking/weekly-ranking.ts';

/** A Redis of its own, to be hurt. */
let dataFolder: string;
let url: string;
let operator: Redis;
const opened: RedisConnection[] = [];

const up = async () => {
  ({ redisUrl: url } = await stackUp({ dataFolder, parts: ['redis'], flavour: 'native', given: {} }));
};

beforeAll(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'millrace-redis-'));
  await up();
  operator = new Redis(url, { retryStrategy: () => 50 });
  operator.on('error', () => undefined);
}, 300_000);

afterEach(async () => {
  for (const connection of opened.splice(0)) await connection.stop(AbortSignal.abort());
});

afterAll(async () => {
  operator.disconnect();
  await stackReset({ dataFolder });
  await rm(dataFolder, { recursive: true, force: true });
});

async function connected(to = url, commandTimeoutMs = 500): Promise<RedisConnection> {
  const connection = createRedisConnection({ url: to, logger: SILENT_LOGGER, commandTimeoutMs });
  opened.push(connection);
  await connection.start(new AbortController().signal);
  return connection;
}

const user = new HistoryBuilder('user-1');

/** Handles a new event of the user, or one again. */
async function handle(connection: RedisConnection, again?: EventRecord): Promise<HandlerResult> {
  const character_id = `c${user.events.length}`;
  const event = again ?? user.add('CharacterAcquired', { user_id: 'user-1', character_id, character_name: 'C', source: 'event' });
  const history = new CommittedHistory(user.events, user.events.length);
  const options = { names: new Names(), history, metrics: NO_METRICS, logger: SILENT_LOGGER, clock: eagerClock };
  return createRedisProjector({ projection: characterList, redis: connection.client, ...options }).handle(event);
}

const OUTAGE = { kind: 'failed', error: { code: 'REDIS_UNAVAILABLE', disposition: 'outage' } };

describe('a projector whose Redis', () => {
  it('is not there fails without waiting for the command timeout, and goes on by itself when it comes', async () => {
    const connection = await connected(url, 3_600_000);
    await expectAcked(connection);
    await stackDown({ dataFolder });
    const result = await eventually(async () => {
      const attempt = await handle(connection);
      return attempt.kind === 'failed' && attempt;
    });
    expect(result).toMatchObject(OUTAGE);
    expect(await handle(connection)).toMatchObject(OUTAGE);
    expect(connection.health()).toMatchObject([{ status: 'down' }]);
    const late = await connected();
    expect(await handle(late)).toMatchObject(OUTAGE);

    await up();
    for (const each of [connection, late]) await eventually(async () => (await handle(each)).kind === 'acked', { timeoutMs: 30_000 });
    expect(connection.health()).toMatchObject([{ status: 'ok' }]);
    // What failed comes again.
    for (const event of [...user.events]) expect((await handle(late, event)).kind).not.toBe('failed');
    const reader = createRedisReader({ redis: connection.client, names: new Names(), weeklyRanking: weeklyRanking() });
    expect(await reader.characterList('user-1')).toHaveLength(user.events.length);
  });

  it('is not listening at all fails at once', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    expect(await handle(await connected(`redis://127.0.0.1:${port}`))).toMatchObject(OUTAGE);
  });

  it('does not answer is not waited for when the command timeout is over', async () => {
    const connection = await connected();
    await expectAcked(connection);
    const asleep = operator.call('DEBUG', 'SLEEP', '5');
    const result = await Promise.race([handle(connection), asleep.then(() => 'the answer was waited for')]);
    expect(result).toMatchObject(OUTAGE);
    await asleep;
    await eventually(async () => (await handle(connection)).kind === 'acked');
  });

  it.each([
    ['is full', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
    ['became a replica', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
  ])('%s has an outage and no faulty record', async (_, [hurt = '', ...hurtBy], [heal = '', ...healBy]) => {
    const connection = await connected();
    await expectAcked(connection);
    await operator.call(hurt, ...hurtBy);
    try {
      expect(await handle(connection)).toMatchObject(OUTAGE);
    } finally {
      await operator.call(heal, ...healBy);
    }
    await eventually(async () => (await handle(connection)).kind === 'acked');
  });

  it('lost everything folds the documents anew', async () => {
    const connection = await connected();
    await expectAcked(connection);
    await operator.flushall();
    await expectAcked(connection);
    const reader = createRedisReader({ redis: connection.client, names: new Names(), weeklyRanking: weeklyRanking() });
    expect(await reader.characterList('user-1')).toHaveLength(user.events.length);
  });
});

async function expectAcked(connection: RedisConnection): Promise<void> {
  expect(await handle(connection)).toMatchObject({ kind: 'acked' });
}
