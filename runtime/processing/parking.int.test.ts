import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { BrokerAdmin, BrokerDriver, Producer } from '../../core/broker.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import type { ProducerRecord } from '../../core/record.ts';
import { utf8 } from '../../core/record.ts';
import { eventHeaders } from '../../test/support/consumed-record.ts';
import { eventually } from '../../test/support/eventually.ts';
import { ACKED, JSON_DECODER, failedWith } from '../../test/support/group-under-test.ts';
import { services, uniqueNamespace } from '../../test/support/services.ts';
import { openPlatformDatabase } from '../../test/support/platform-database.ts';
import { temporaryDatabases } from '../../test/support/temporary-databases.ts';
import { createKafkaJsDriver } from '../kafka/kafkajs-driver.ts';
import type { Database } from '../postgres/database.ts';
import { actOnParked } from '../postgres/parked-admin.ts';
import { listParked } from '../postgres/parked-list.ts';
import { createParkedRecords, enqueueParked } from '../postgres/parked-records.ts';
import { systemClock } from '../telemetry/system-clock.ts';
import type { ConsumerGroupOptions } from './consumer-group-options.ts';
import type { ConsumerGroup } from './consumer-group.ts';
import { createConsumerGroup } from './consumer-group.ts';
import type { EventHandler } from './event-handler.ts';

const PARTITIONS = 3;
const FAILED = failedWith('CALL_FAILED', 'no');
const soft = new AbortController().signal;
const change = { actor: 'ann', acceptDoubleEffects: false, signal: soft, clock: systemClock } as const;

const databases = temporaryDatabases('parking');
let database: Database;
let driver: BrokerDriver;
let producer: Producer;
let admin: BrokerAdmin;
const madeTopics = new Set<string>();
const madeGroups = new Set<string>();
const running: ConsumerGroup[] = [];

beforeAll(async () => {
  database = await openPlatformDatabase(databases);
  await database.execute(
    'CREATE TABLE millrace.effects (place bigint GENERATED ALWAYS AS IDENTITY, topic text, id text, key text, n int, PRIMARY KEY (topic, id))',
  );
  driver = createKafkaJsDriver({ brokers: services().kafkaBrokers.split(','), clientId: 'parking-test', logger: SILENT_LOGGER });
  producer = driver.producer({ clientId: 'parking-test' });
  admin = driver.admin();
  await producer.start();
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop(AbortSignal.abort())));
});

afterAll(async () => {
  await producer.stop();
  await admin.deleteTopics([...madeTopics]);
  await admin.deleteGroups([...madeGroups]);
  await admin.stop();
  await database.stop();
  await databases.dropAll();
});

interface Place {
  readonly topics: readonly string[];
  readonly group: string;
}

/** Topics with their dead-letter topics, and the name of a group that reads them. */
async function makePlace(count = 1): Promise<Place> {
  const name = uniqueNamespace('parking');
  const topics = Array.from({ length: count }, (_, index) => `${name}.events.happened${index}`);
  const all = topics.flatMap((topic) => [topic, `${topic}.dlt`]);
  await admin.ensureTopics(all.map((topic) => ({ topic, partitions: PARTITIONS, retentionMs: 3_600_000, replicationFactor: 1 })));
  for (const topic of all) madeTopics.add(topic);
  return { topics, group: `${name}.reader` };
}

async function startGroup(place: Place, handler: EventHandler, options: Partial<ConsumerGroupOptions> = {}): Promise<ConsumerGroup> {
  madeGroups.add(place.group);
  const group = createConsumerGroup({
    group: place.group,
    service: 'test',
    topics: place.topics,
    broker: driver,
    producer,
    decoder: JSON_DECODER,
    handler,
    wanted: new Set(['Happened']),
    known: new Set(['Happened']),
    deadLetterTopicOf: (topic) => `${topic}.dlt`,
    retryPolicy: { delaysMs: [400, 800], jitter: 0.2 },
    handlerTimeoutMs: 10_000,
    metrics: NO_METRICS,
    logger: SILENT_LOGGER,
    clock: systemClock,
    random: Math.random,
    onFatal: (error) => expect.fail(error.message),
    parked: createParkedRecords({ database, group: place.group }),
    parkedLookMs: 200,
    sessionTimeoutMs: 10_000,
    ...options,
  });
  running.push(group);
  await group.start(soft);
  return group;
}

function recordOf(topic: string, key: string, n: number, partition = 0): ProducerRecord {
  const id = `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
  return {
    topic,
    partition,
    key: utf8(key),
    value: utf8(JSON.stringify({ n })),
    headers: eventHeaders({ id, type: 'Happened', streamId: key }),
  };
}

/** As a domain's transaction does it: each event has its effect once, and the database knows the order. */
function inbox(fails: (n: number, attempt: number) => boolean = () => false): EventHandler {
  return async ({ id, aggregateId, payload }, { topic, attempt }) => {
    const { n } = payload as { n: number };
    if (fails(n, attempt)) return FAILED;
    const changed = await database.execute(
      'INSERT INTO millrace.effects (topic, id, key, n) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
      [topic, id, aggregateId, n],
    );
    return changed === 1 ? ACKED : { kind: 'skipped', reason: 'duplicate' };
  };
}

async function effects(topic: string): Promise<{ readonly key: string; readonly n: number }[]> {
  return [
    ...(await database.query<{ key: string; n: number }>('SELECT key, n FROM millrace.effects WHERE topic = $1 ORDER BY place', [topic])),
  ];
}

async function parkedCount({ group }: Place): Promise<number> {
  const [row] = await database.query<{ count: bigint }>('SELECT count(*) FROM millrace.parked_records WHERE group_name = $1', [group]);
  return Number(row?.count);
}

async function allCommitted({ group, topics }: Place): Promise<boolean> {
  const [ends, committed] = await Promise.all([admin.offsets(topics), admin.committed(group, topics)]);
  return ends.every(
    ({ topic, partition, end }) =>
      end === 0n || committed.some((at) => at.topic === topic && at.partition === partition && at.offset === end),
  );
}

describe('records that are parked', () => {
  it('keep the order of their key and have one effect each, through the ladder, a death and a rebalance', async () => {
    const place = await makePlace();
    const [topic = ''] = place.topics;
    const fails = (n: number, attempt: number): boolean => n % 7 === 0 && attempt <= 2;
    let sent = 0;
    const send = async (count: number): Promise<void> => {
      const records = Array.from({ length: count }, (_, index) => {
        const n = sent + index;
        return recordOf(topic, `k${n % 20}`, n, (n % 20) % PARTITIONS);
      });
      sent += count;
      await producer.send(records);
    };
    const first = await startGroup(place, inbox(fails));
    await send(300);
    await eventually(async () => (await parkedCount(place)) > 100, { timeoutMs: 30_000 });
    await first.stop(AbortSignal.abort());
    const second = await startGroup(place, inbox(fails));
    await send(200);
    await eventually(() => second.balance().retried > 10, { timeoutMs: 30_000 });
    const third = await startGroup(place, inbox(fails));
    await eventually(async () => send(20).then(() => third.balance().acked > 20), { timeoutMs: 30_000 });
    await second.stop(soft);
    await send(100);
    await eventually(async () => (await effects(topic)).length === sent, { timeoutMs: 60_000 });
    await eventually(async () => (await parkedCount(place)) === 0 && (await allCommitted(place)), { timeoutMs: 30_000 });
    const lastOfKey = new Map<string, number>();
    for (const { key, n } of await effects(topic)) {
      expect(n).toBeGreaterThan(lastOfKey.get(key) ?? -1);
      lastOfKey.set(key, n);
    }
    for (const group of [first, second, third]) {
      const { in: taken, acked, skipped, retried, deadLettered, released, inFlight } = group.balance();
      expect(acked + skipped + retried + deadLettered + released + inFlight).toBe(taken);
    }
    expect(third.balance()).toMatchObject({ deadLettered: 0 });
  });

  it('do not hold up their offset, and are parked once however often they are delivered', async () => {
    const place = await makePlace();
    const [topic = ''] = place.topics;
    const dying = await startGroup(
      place,
      inbox((n) => n === 0),
      {
        retryPolicy: { delaysMs: [3_000], jitter: 0 },
        failpoint: async (label) => (label === 'before-commit' ? new Promise(() => undefined) : undefined),
      },
    );
    await producer.send([0, 1, 2, 3].map((n) => recordOf(topic, 'a', n)));
    await eventually(async () => (await parkedCount(place)) === 4, { timeoutMs: 30_000 });
    await dying.stop(AbortSignal.abort());
    expect(await admin.committed(place.group, place.topics)).toEqual([]);
    const reborn = await startGroup(place, inbox());
    await eventually(() => allCommitted(place), { timeoutMs: 20_000 });
    await eventually(async () => (await effects(topic)).length === 4, { timeoutMs: 20_000 });
    expect((await effects(topic)).map(({ n }) => n)).toEqual([0, 1, 2, 3]);
    await eventually(async () => (await parkedCount(place)) === 0);
    expect(reborn.balance()).toMatchObject({ acked: 4, deadLettered: 0, inFlight: 0 });
  });

  it('are a thousand behind one, and come out in order when that one succeeds', async () => {
    const place = await makePlace();
    const [topic = ''] = place.topics;
    let writes = 0;
    const group = await startGroup(
      place,
      inbox((n, attempt) => n === 0 && attempt === 1),
      {
        retryPolicy: { delaysMs: [4_000], jitter: 0 },
        failpoint: async (label) => {
          if (label === 'before-park') writes += 1;
        },
      },
    );
    const beganMs = performance.now();
    await producer.send(Array.from({ length: 1_001 }, (_, n) => recordOf(topic, 'hot', n)));
    await eventually(async () => (await parkedCount(place)) === 1_001, { timeoutMs: 20_000 });
    const parkedMs = performance.now() - beganMs;
    await producer.send([1_001, 1_002].map((n) => recordOf(topic, 'hot', n)));
    await eventually(async () => (await effects(topic)).length === 1_003, { timeoutMs: 40_000 });
    const totalMs = performance.now() - beganMs;
    process.stdout.write(
      `1,001 records parked by ${writes} writes after ${parkedMs.toFixed(0)} ms, all handled after ${totalMs.toFixed(0)} ms\n`,
    );
    expect((await effects(topic)).map(({ n }) => n)).toEqual(Array.from({ length: 1_003 }, (_, n) => n));
    expect(writes).toBeLessThan(50);
    await eventually(async () => (await parkedCount(place)) === 0);
    expect(group.balance()).toMatchObject({ acked: 1_003, inFlight: 0 });
  });

  it('let an event that overtakes pass', async () => {
    const place = await makePlace(2);
    const [topic = '', compensations = ''] = place.topics;
    const fails = new Set([0]);
    await startGroup(
      place,
      inbox((n) => fails.has(n)),
      {
        overtakingTopics: new Set([compensations]),
        retryPolicy: { delaysMs: [60_000], jitter: 0 },
      },
    );
    await producer.send([0, 1].map((n) => recordOf(topic, 'a', n)));
    await eventually(async () => (await parkedCount(place)) === 2, { timeoutMs: 30_000 });
    await producer.send([recordOf(compensations, 'a', 2)]);
    await eventually(async () => (await effects(compensations)).length === 1, { timeoutMs: 10_000 });
    expect(await effects(topic)).toEqual([]);
  });
});

it('a record that PostgreSQL refuses to keep leaves by the dead letters, and holds up nobody', async () => {
  const place = await makePlace();
  const [topic = ''] = place.topics;
  const group = await startGroup(
    place,
    inbox((n, attempt) => n === 0 && attempt === 1),
    { retryPolicy: { delaysMs: [3_000], jitter: 0 } },
  );
  await database.execute(`ALTER TABLE millrace.parked_records ADD CONSTRAINT no_odd CHECK (event_type <> 'Odd')`);
  onTestFinished(async () => {
    await database.execute('ALTER TABLE millrace.parked_records DROP CONSTRAINT no_odd');
  });
  const odd = { ...recordOf(topic, 'a', 1), headers: eventHeaders({ id: randomUUID(), type: 'Odd', streamId: 'a' }) };
  await producer.send([recordOf(topic, 'a', 0), odd, recordOf(topic, 'a', 2), recordOf(topic, 'b', 3)]);
  await eventually(async () => (await effects(topic)).length === 3, { timeoutMs: 30_000 });
  expect((await effects(topic)).filter(({ key }) => key === 'a').map(({ n }) => n)).toEqual([0, 2]);
  await eventually(() => allCommitted(place), { timeoutMs: 10_000 });
  expect((await admin.offsets([`${topic}.dlt`])).reduce((sum, { end }) => sum + Number(end), 0)).toBe(1);
  await eventually(async () => (await parkedCount(place)) === 0);
  expect(group.balance()).toMatchObject({ acked: 3, deadLettered: 1, inFlight: 0 });
  expect(group.health()).toMatchObject([{ status: 'ok' }]);
});

it('a key that is longer than an index holds waits in its order, and holds up no other', async () => {
  const place = await makePlace();
  const [topic = ''] = place.topics;
  const key = utf8(randomBytes(8_000).toString('hex'));
  const poisoned = failedWith('HANDLER_FAILED', 'no');
  await startGroup(place, async (event, context) => {
    const { n } = event.payload as { n: number };
    return n !== 1 && context.attempt < 3 ? poisoned : inbox()(event, context);
  });
  await producer.send([{ ...recordOf(topic, 'long', 0), key }, { ...recordOf(topic, 'long', 1), key }, recordOf(topic, 'short', 2)]);
  await eventually(async () => (await effects(topic)).length === 3, { timeoutMs: 30_000 });
  expect((await effects(topic)).filter(({ n }) => n !== 2).map(({ n }) => n)).toEqual([0, 1]);
  await eventually(async () => (await parkedCount(place)) === 0);
});

describe('a key of which a record was given up', () => {
  const poisoned = inbox((n) => n === 0);

  it('goes on with policy continue, and takes a replay of its letter in the order of its key', async () => {
    const place = await makePlace();
    const [topic = ''] = place.topics;
    let broken = true;
    await startGroup(place, async (event, context) => (broken ? poisoned(event, context) : inbox()(event, context)));
    await producer.send([0, 1, 2].map((n) => recordOf(topic, 'a', n)));
    await eventually(async () => (await effects(topic)).length === 2, { timeoutMs: 30_000 });
    await eventually(async () => (await parkedCount(place)) === 0);
    expect((await admin.offsets([`${topic}.dlt`])).reduce((sum, { end }) => sum + Number(end), 0)).toBe(1);
    broken = false;
    const { headers, key, value } = recordOf(topic, 'a', 0);
    const record = { topic, partition: 0, offset: 0n as never, key, value, headers, timestampMs: 0 };
    const waiting = { attempts: 0, delayMs: 0, blocked: false, firstFailedAtMs: undefined, event: undefined } as const;
    await enqueueParked(database, place.group, [{ ...waiting, lane: 'a', record, error: { code: 'CALL_FAILED', message: 'replayed' } }]);
    await eventually(async () => (await effects(topic)).length === 3, { timeoutMs: 10_000 });
    expect((await effects(topic)).map(({ n }) => n)).toEqual([1, 2, 0]);
    await eventually(async () => (await parkedCount(place)) === 0);
  });

  it('waits with policy block, is listed, and goes on when an operator retries or discards it, which the audit tells', async () => {
    const place = await makePlace();
    const [topic = ''] = place.topics;
    const handled: number[] = [];
    const group = await startGroup(
      place,
      async (event, context) => {
        handled.push((event.payload as { n: number }).n);
        return poisoned(event, context);
      },
      { giveUp: 'block', retryPolicy: { delaysMs: [200], jitter: 0 } },
    );
    await producer.send([recordOf(topic, 'a', 0), recordOf(topic, 'a', 1), recordOf(topic, 'b', 2)]);
    const blocked = { group: place.group, blocked: true } as const;
    await eventually(async () => (await listParked(database, 'millrace', blocked, 10)).records === 1, { timeoutMs: 30_000 });
    await eventually(() => group.health()[0]?.facts?.['blocked_keys'] === 1, { timeoutMs: 10_000 });
    expect(group.health()).toMatchObject([{ status: 'degraded', detail: expect.stringContaining('1 key is blocked') }]);
    expect((await listParked(database, 'millrace', { group: place.group }, 10)).entries).toMatchObject([
      { key: 'a', type: 'Happened', attempts: 2, errorCode: 'CALL_FAILED', offset: 0n, blockedSince: expect.stringMatching(/^\d{4}-/) },
      { key: 'a', attempts: 0, offset: 1n, blockedSince: null },
    ]);
    expect(await allCommitted(place)).toBe(true);

    const attempts = handled.length;
    expect(await actOnParked(database, database, blocked, { ...change, action: 'retry' })).toEqual({ records: 1, interrupted: false });
    await eventually(() => handled.length === attempts + 2, { timeoutMs: 10_000 });
    await eventually(async () => (await listParked(database, 'millrace', blocked, 10)).records === 1, { timeoutMs: 10_000 });
    expect(await effects(topic)).toMatchObject([{ n: 2 }]);

    expect(await actOnParked(database, database, blocked, { ...change, action: 'discard' })).toEqual({ records: 1, interrupted: false });
    await eventually(async () => (await effects(topic)).length === 2, { timeoutMs: 10_000 });
    await eventually(async () => (await parkedCount(place)) === 0);
    await eventually(() => group.health()[0]?.status === 'ok', { timeoutMs: 10_000 });
    const audit = await database.query(
      'SELECT action, actor, record_offset, error_code FROM millrace.dead_letter_audit WHERE group_name = $1 ORDER BY audit_id',
      [place.group],
    );
    expect(audit).toEqual([
      { action: 'parked-retry', actor: 'ann', record_offset: 0n, error_code: 'CALL_FAILED' },
      { action: 'parked-discard', actor: 'ann', record_offset: 0n, error_code: 'CALL_FAILED' },
    ]);
    expect(await createParkedRecords({ database, group: place.group }).survey([])).toMatchObject({ discarded: 1 });
  });
});
