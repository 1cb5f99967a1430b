import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StackEndpoints } from './endpoints.ts';
import type { StackEvent } from './progress.ts';
import { stackDown, stackStatus, stackUp, type Part } from './stack.ts';
import { removeTestStack, testDataFolder } from './test-stack.ts';

const PARTS: readonly Part[] = ['postgres', 'kafka', 'registry'];
const SCHEMA = JSON.stringify({ type: 'record', name: 'Kept', fields: [{ name: 'id', type: 'string' }] });

let dataFolder: string;
let endpoints: StackEndpoints;
const events: StackEvent[] = [];
const up = async () => {
  events.length = 0;
  return stackUp({ dataFolder, parts: PARTS, flavour: 'native', given: {}, progress: (event) => events.push(event) });
};

beforeAll(async () => {
  dataFolder = await testDataFolder();
  endpoints = await up();
}, 600_000);

afterAll(async () => {
  await removeTestStack(dataFolder);
}, 120_000);

test('a second start finds everything running, and is quick', async () => {
  const before = await pids();
  const started = Date.now();
  expect(await up()).toEqual(endpoints);
  expect(Date.now() - started).toBeLessThan(2_000);
  expect(events.map(({ step }) => step)).toEqual(PARTS.map(() => 'running already'));
  expect(await pids()).toEqual(before);
});

test('rows, records and schema ids survive a stop and a start', async () => {
  await query("CREATE TABLE kept AS SELECT 'still here' AS word");
  await produce('kept', 'still here');
  await register('kept-first', SCHEMA.replace('Kept', 'First'));
  const id = await register('kept', SCHEMA);

  await stackDown({ dataFolder });
  expect((await stackStatus({ dataFolder }))?.parts.every(({ state }) => state === 'stopped')).toBe(true);
  endpoints = await up();

  expect(await query('SELECT word FROM kept')).toEqual([{ word: 'still here' }]);
  expect(await consumeOne('kept')).toBe('still here');
  expect(await register('kept', SCHEMA)).toBe(id);
  expect(await json(`${endpoints.registryUrl}/config`)).toEqual({ compatibilityLevel: 'BACKWARD' });
});

test('a server that was killed is started again, and what it had answered is still there', async () => {
  const id = await register('killed', SCHEMA.replace('Kept', 'Killed'));
  await query('CREATE TABLE killed AS SELECT 1 AS one');
  await produce('killed', 'answered before the kill');
  for (const pid of await pids()) process.kill(pid, 'SIGKILL');

  endpoints = await up();
  expect(events.filter(({ step }) => step === 'ready')).toHaveLength(PARTS.length);
  expect(await register('killed', SCHEMA.replace('Kept', 'Killed'))).toBe(id);
  expect(await query('SELECT one FROM killed')).toEqual([{ one: 1 }]);
  expect(await consumeOne('killed')).toBe('answered before the kill');
});

test('PostgreSQL is ready for change data capture and asks for its password', async () => {
  expect(await query('SHOW wal_level')).toEqual([{ wal_level: 'logical' }]);
  expect(await query('SHOW max_replication_slots')).toEqual([{ max_replication_slots: '60' }]);
  const wrong = new pg.Client({ connectionString: endpoints.postgresUrl.replace(/:[^:@]+@/, ':wrong@') });
  await expect(wrong.connect()).rejects.toThrow(/password authentication failed/);
});

test('a part that is given by its address is checked and not started', async () => {
  const other = await testDataFolder();
  const given = { postgres: endpoints.postgresUrl, kafka: endpoints.kafkaBrokers, registry: endpoints.registryUrl };
  try {
    expect(await stackUp({ dataFolder: other, parts: PARTS, given })).toMatchObject({
      postgresUrl: endpoints.postgresUrl,
      kafkaBrokers: endpoints.kafkaBrokers,
      registryUrl: endpoints.registryUrl,
    });
    expect((await stackStatus({ dataFolder: other }))?.parts.every(({ state }) => state === 'stopped')).toBe(true);
    const wrong = stackUp({ dataFolder: other, parts: ['kafka'], given: { kafka: '127.0.0.1:1' } });
    await expect(wrong).rejects.toThrow(/KAFKA_BROKERS is given, but nothing answers/);
  } finally {
    await removeTestStack(other);
  }
});

test('the password is in no log', async () => {
  const password = new URL(endpoints.postgresUrl).password;
  for (const part of PARTS) expect(await readFile(join(dataFolder, 'logs', `${part}.log`), 'utf8')).not.toContain(password);
});

test('an interrupted start leaves nothing running that it had started', async () => {
  await stackDown({ dataFolder });
  const interrupted = new AbortController();
  const start = stackUp({
    dataFolder,
    parts: PARTS,
    given: {},
    signal: interrupted.signal,
    progress: ({ part, step }) => part === 'postgres' && step === 'ready' && interrupted.abort(new Error('Ctrl-C')),
  });
  await expect(start).rejects.toThrow('Ctrl-C');
  expect((await stackStatus({ dataFolder }))?.parts.map(({ state }) => state)).not.toContain('running');
  expect(await pids()).toEqual([]);
});

async function pids(): Promise<number[]> {
  const status = await stackStatus({ dataFolder });
  return status!.parts.flatMap(({ pid }) => pid ?? []);
}

async function query(sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: `${endpoints.postgresUrl}/postgres` });
  await client.connect();
  try {
    return (await client.query(sql)).rows as unknown[];
  } finally {
    await client.end();
  }
}

function kafka(): Kafka {
  return new Kafka({ brokers: endpoints.kafkaBrokers.split(','), logLevel: logLevel.NOTHING });
}

async function produce(topic: string, value: string): Promise<void> {
  const admin = kafka().admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic }], waitForLeaders: true });
  await admin.disconnect();
  const producer = kafka().producer();
  await producer.connect();
  await producer.send({ topic, acks: -1, messages: [{ value }] });
  await producer.disconnect();
}

async function consumeOne(topic: string): Promise<string | undefined> {
  const consumer = kafka().consumer({ groupId: `after-${topic}` });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    return await new Promise((resolve, reject) => {
      consumer.run({ eachMessage: async ({ message }) => resolve(message.value?.toString()) }).catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
}

async function register(subject: string, schema: string): Promise<unknown> {
  const answer = (await json(`${endpoints.registryUrl}/subjects/${subject}/versions`, { schema })) as { id: unknown };
  return answer.id;
}

async function json(url: string, body?: unknown): Promise<unknown> {
  const response = await fetch(url, {
    signal: AbortSignal.timeout(10_000),
    ...(body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  expect(response.status).toBe(200);
  return response.json();
}
