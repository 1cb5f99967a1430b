import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BrokerAdmin, BrokerDriver, Consumer, Producer } from '../../core/broker.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import type { ConsumedRecord, Header, ProducerRecord } from '../../core/record.ts';
import { headerText, utf8 } from '../../core/record.ts';
import { eventHeaders } from '../../test/support/consumed-record.ts';
import { eventually } from '../../test/support/eventually.ts';
import { ACKED, JSON_DECODER, failedWith } from '../../test/support/group-under-test.ts';
import { InMemoryParkedRecords } from '../../test/support/in-memory-parked-records.ts';
import { services, uniqueNamespace } from '../../test/support/services.ts';
import { createKafkaJsDriver } from '../kafka/kafkajs-driver.ts';
import { systemClock } from '../telemetry/system-clock.ts';
import type { ConsumerGroupOptions } from './consumer-group-options.ts';
import type { ConsumerGroup } from './consumer-group.ts';
import { createConsumerGroup } from './consumer-group.ts';
import type { EventHandler } from './event-handler.ts';

const PARTITIONS = 3;
const soft = new AbortController().signal;

let driver: BrokerDriver;
let producer: Producer;
let admin: BrokerAdmin;
const madeTopics = new Set<string>();
const madeGroups = new Set<string>();
const running: (ConsumerGroup | Consumer)[] = [];

beforeAll(async () => {
  driver = createKafkaJsDriver({
    brokers: services().kafkaBrokers.split(','),
    ssl: false,
    clientId: 'processing-test',
    logger: SILENT_LOGGER,
  });
  producer = driver.producer({ clientId: 'processing-test' });
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
});

async function makeTopics(...topics: string[]): Promise<void> {
  await admin.ensureTopics(topics.map((topic) => ({ topic, partitions: PARTITIONS, retentionMs: 3_600_000, replicationFactor: 1 })));
  for (const topic of topics) madeTopics.add(topic);
}

/** A topic, the name of a group that reads it, and its dead-letter topic. */
async function makePlace(options: { readonly deadLetters: boolean } = { deadLetters: true }) {
  const topic = `${uniqueNamespace('loop')}.events.happened`;
  const place = { topic, group: `${topic}.reader`, deadLetterTopic: `${topic}.dlt` };
  await makeTopics(topic, ...(options.deadLetters ? [place.deadLetterTopic] : []));
  return place;
}
type Place = Awaited<ReturnType<typeof makePlace>>;

async function startGroup(place: Place, handler: EventHandler, options: Partial<ConsumerGroupOptions> = {}): Promise<ConsumerGroup> {
  madeGroups.add(place.group);
  const group = createConsumerGroup({
    group: place.group,
    service: 'test',
    topics: [place.topic],
    broker: driver,
    producer,
    decoder: JSON_DECODER,
    handler,
    wanted: new Set(['Happened']),
    known: new Set(['Happened']),
    deadLetterTopicOf: () => place.deadLetterTopic,
    retryPolicy: { delaysMs: [200, 200], jitter: 0 },
    handlerTimeoutMs: 10_000,
    metrics: NO_METRICS,
    logger: SILENT_LOGGER,
    clock: systemClock,
    random: Math.random,
    onFatal: (error) => expect.fail(error.message),
    parked: new InMemoryParkedRecords(systemClock),
    ...options,
  });
  running.push(group);
  await group.start(soft);
  return group;
}

/** Everything that is and will be in a topic. */
async function watch(topic: string): Promise<ConsumedRecord[]> {
  const group = `${topic}.watcher`;
  madeGroups.add(group);
  const seen: ConsumedRecord[] = [];
  const consumer = driver.consumer({ group, topics: [topic], from: 'earliest' });
  running.push(consumer);
  await consumer.start({
    onRecords: (_partition, records) => void seen.push(...records),
    onAssigned: () => undefined,
    onRevoking: async () => undefined,
    onLost: () => undefined,
    onFatal: (error) => expect.fail(error.message),
  });
  return seen;
}

let serial = 0;
function nextHeaders(key: string, type = 'Happened'): Header[] {
  serial += 1;
  return eventHeaders({ id: `00000000-0000-4000-8000-${serial.toString(16).padStart(12, '0')}`, type, streamId: key });
}

function event(topic: string, key: string, n: number, partition = n % PARTITIONS): ProducerRecord {
  return { topic, partition, key: utf8(key), value: utf8(JSON.stringify({ n })), headers: nextHeaders(key) };
}

/** A handler with an inbox, as a domain's transaction has it: each event has its effect once, and repetitions are seen. */
function inbox() {
  const effects: { readonly id: string; readonly key: string; readonly n: number }[] = [];
  const ids = new Set<string>();
  let duplicates = 0;
  const handler: EventHandler = async ({ id, aggregateId, payload }) => {
    if (ids.has(id)) {
      duplicates += 1;
      return { kind: 'skipped', reason: 'duplicate' };
    }
    ids.add(id);
    effects.push({ id, key: aggregateId, n: (payload as { n: number }).n });
    return ACKED;
  };
  return { effects, handler, duplicates: () => duplicates };
}

async function allCommitted({ group, topic }: Place): Promise<boolean> {
  const [ends, committed] = await Promise.all([admin.offsets([topic]), admin.committed(group, [topic])]);
  return ends.every(({ partition, end }) => end === 0n || committed.some((at) => at.partition === partition && at.offset === end));
}

function isBalanced(group: ConsumerGroup): boolean {
  const { in: taken, acked, skipped, retried, deadLettered, released, inFlight } = group.balance();
  return taken === acked + skipped + retried + deadLettered + released + inFlight;
}

describe('a group on a real broker', () => {
  it('sends each kind of poison to its dead-letter topic within one attempt, bytes untouched, and lets its neighbours pass', async () => {
    const place = await makePlace();
    const { topic } = place;
    const poison: Record<string, ProducerRecord> = {
      PAYLOAD_UNREADABLE: { ...event(topic, 'p', 1), value: Uint8Array.of(0x7b, 0xff, 0x00) },
      ENVELOPE_INVALID: {
        ...event(topic, 'p', 2),
        headers: [
          ['id', utf8('no uuid')],
          ['odd', Uint8Array.of(0xff)],
          ['odd', utf8('twice')],
        ],
      },
      EVENT_UNKNOWN: { ...event(topic, 'p', 3), headers: nextHeaders('p', 'Unheard') },
      'no value': { ...event(topic, 'p', 4), value: null },
      'no key': { ...event(topic, 'p', 5), key: null },
    };
    await producer.send([event(topic, 'a', 0), ...Object.values(poison), event(topic, 'b', 6)]);
    const { effects, handler } = inbox();
    const group = await startGroup(place, handler);
    const letters = await watch(place.deadLetterTopic);
    await eventually(() => letters.length >= 5 && effects.length >= 2, { timeoutMs: 30_000 });
    await eventually(() => allCommitted(place), { timeoutMs: 10_000 });
    expect(effects.map(({ n }) => n).sort()).toEqual([0, 6]);
    expect(letters.map(({ headers }) => headerText(headers, 'dlt-error-code')).sort()).toEqual([
      'ENVELOPE_INVALID',
      'ENVELOPE_INVALID',
      'EVENT_UNKNOWN',
      'PAYLOAD_UNREADABLE',
      'PAYLOAD_UNREADABLE',
    ]);
    for (const original of Object.values(poison)) {
      const letter = letters.find(
        ({ headers, value }) =>
          sameBytes(value, original.value) && sameHeaders(headers.slice(0, original.headers.length), original.headers),
      );
      expect(letter).toBeDefined();
      expect(sameBytes(letter!.key, original.key)).toBe(true);
      expect(letter!.partition).toBe(original.partition);
      expect(headerText(letter!.headers, 'dlt-attempts')).toBe('1');
      expect(headerText(letter!.headers, 'dlt-original-topic')).toBe(topic);
    }
    expect(group.balance()).toMatchObject({ in: 7, acked: 2, deadLettered: 5, inFlight: 0 });
  });

  it('waits out an outage without a dead letter and goes on by itself', async () => {
    const place = await makePlace();
    const { effects, handler } = inbox();
    let away = true;
    let refusals = 0;
    const group = await startGroup(place, async (record, context) => {
      if (!away) return handler(record, context);
      refusals += 1;
      return failedWith('POSTGRES_UNAVAILABLE', 'away');
    });
    const letters = await watch(place.deadLetterTopic);
    await producer.send(Array.from({ length: 30 }, (_, n) => event(place.topic, `k${n % 7}`, n)));
    await eventually(() => refusals >= 4, { timeoutMs: 30_000 });
    expect(group.health()).toMatchObject([{ status: 'degraded', facts: { assigned_partitions: 3, paused_partitions: 3 } }]);
    expect(await admin.committed(place.group, [place.topic])).toEqual([]);
    away = false;
    await eventually(() => effects.length === 30, { timeoutMs: 30_000 });
    await eventually(() => allCommitted(place), { timeoutMs: 10_000 });
    expect(letters).toEqual([]);
    expect(group.balance()).toMatchObject({ in: 30, acked: 30, inFlight: 0 });
  });

  it('waits for a dead-letter topic that is missing, with that partition alone, and goes on when it appears', async () => {
    const place = await makePlace({ deadLetters: false });
    const { effects, handler } = inbox();
    const group = await startGroup(place, async (record, context) => {
      return (record.payload as { n: number }).n === 0 ? failedWith('DECISION_FAILED', 'bug') : handler(record, context);
    });
    await producer.send([
      event(place.topic, 'poisoned', 0, 0),
      event(place.topic, 'poisoned', 1, 0),
      event(place.topic, 'other', 2, 0),
      event(place.topic, 'b', 3, 1),
    ]);
    await eventually(() => group.health()[0]?.facts?.['unburied'] === 1, { timeoutMs: 30_000 });
    expect(effects.map(({ n }) => n).sort()).toEqual([2, 3]);
    await eventually(async () => (await admin.committed(place.group, [place.topic])).length === 1, { timeoutMs: 10_000 });
    expect(await admin.committed(place.group, [place.topic])).toMatchObject([{ partition: 1, offset: 1n }]);
    await makeTopics(place.deadLetterTopic);
    await eventually(() => allCommitted(place), { timeoutMs: 40_000 });
    expect(effects.map(({ n }) => n).sort()).toEqual([1, 2, 3]);
    const letters = await watch(place.deadLetterTopic);
    await eventually(() => letters.length >= 1);
    expect(letters.map(({ headers }) => headerText(headers, 'dlt-original-offset'))).toEqual(['0']);
  });

  it('waits for a dead-letter topic that lacks the partition which somebody has added to the topic, and goes on when it is made', async () => {
    const place = await makePlace({ deadLetters: false });
    const settings = { retentionMs: 3_600_000, replicationFactor: 1 };
    const letters = { topic: place.deadLetterTopic, partitions: 1, ...settings };
    await admin.ensureTopics([letters]);
    madeTopics.add(place.deadLetterTopic);
    const group = await startGroup(place, async () => failedWith('DECISION_FAILED', 'bug'));
    await producer.send([event(place.topic, 'a', 0, 0), event(place.topic, 'b', 1, 2)]);
    await eventually(() => group.health()[0]?.facts?.['unburied'] === 1, { timeoutMs: 30_000 });
    expect(group.health()[0]?.detail).toMatch(/partition of it, is made by `millrace apply`/);
    // As it is declared: by what the topic of the events has, whoever has made that so.
    const events = { topic: place.topic, partitions: 1, ...settings };
    const changes = await admin.ensureTopics([events, { ...letters, lettersOf: { topic: place.topic, roomBytes: 0 } }]);
    expect(changes).toEqual([`topic ${place.deadLetterTopic}: partitions 1 → ${PARTITIONS}`]);
    await eventually(() => allCommitted(place), { timeoutMs: 40_000 });
    const buried = await watch(place.deadLetterTopic);
    await eventually(() => expect(buried.map(({ partition }) => partition).sort()).toEqual([0, 2]), { timeoutMs: 20_000 });
  });

  it('waits for a dead-letter topic that is too small for the letter, says in health which limit lets it pass, and goes on with that', async () => {
    const place = await makePlace({ deadLetters: false });
    const limited = (bytes: string) =>
      admin.ensureTopics([
        {
          topic: place.deadLetterTopic,
          partitions: PARTITIONS,
          retentionMs: 3_600_000,
          replicationFactor: 1,
          config: { 'max.message.bytes': bytes },
        },
      ]);
    await limited('20000');
    madeTopics.add(place.deadLetterTopic);
    const group = await startGroup(place, async () => failedWith('DECISION_FAILED', 'bug'));
    const large = event(place.topic, 'large', 0, 0);
    await producer.send([{ ...large, value: utf8(JSON.stringify({ n: 0, text: 'x'.repeat(100_000) })) }]);
    await eventually(() => group.health()[0]?.facts?.['unburied'] === 1, { timeoutMs: 30_000 });
    const detail = group.health()[0]?.detail ?? '';
    const [, topic, bytes = ''] = /--entity-name (\S+) --add-config max\.message\.bytes=(\d+)`/.exec(detail) ?? [];
    expect(topic).toBe(place.deadLetterTopic);
    expect(detail).toMatch(/refuses a letter of 100\d{3} bytes/);
    expect(await admin.committed(place.group, [place.topic])).toEqual([]);
    await limited(bytes);
    await eventually(() => allCommitted(place), { timeoutMs: 60_000 });
    expect(group.health()).toMatchObject([{ status: 'ok', facts: { unburied: 0 } }]);
    const letters = await watch(place.deadLetterTopic);
    await eventually(() => letters.length === 1, { timeoutMs: 20_000 });
    expect(letters[0]!.value!.length).toBeGreaterThan(100_000);
  });

  it('delivers again after a death before its commit, and the inbox absorbs every repetition', async () => {
    const place = await makePlace();
    const { effects, handler, duplicates } = inbox();
    const dying = await startGroup(place, handler, {
      failpoint: async (label) => (label === 'before-commit' ? new Promise(() => undefined) : undefined),
    });
    await producer.send(Array.from({ length: 50 }, (_, n) => event(place.topic, `k${n % 5}`, n)));
    await eventually(() => effects.length === 50, { timeoutMs: 30_000 });
    await dying.stop(AbortSignal.abort());
    expect(await admin.committed(place.group, [place.topic])).toEqual([]);
    const reborn = await startGroup(place, handler);
    await eventually(() => duplicates() === 50, { timeoutMs: 30_000 });
    await eventually(() => allCommitted(place), { timeoutMs: 10_000 });
    expect(effects).toHaveLength(50);
    expect(reborn.balance()).toMatchObject({ in: 50, skipped: 50, inFlight: 0 });
  });

  it('loses nothing and keeps each key in order while members come and go', async () => {
    const place = await makePlace();
    const { effects, handler, duplicates } = inbox();
    const slow: EventHandler = async (record, context) => {
      await systemClock.sleep(5);
      return handler(record, context);
    };
    const first = await startGroup(place, slow);
    let sent = 0;
    const send = async (count: number): Promise<void> => {
      const records = Array.from({ length: count }, (_, index) => {
        const n = sent + index;
        return event(place.topic, `k${n % 30}`, n, (n % 30) % PARTITIONS);
      });
      sent += count;
      await producer.send(records);
    };
    await send(2_000);
    await eventually(() => effects.length > 100, { timeoutMs: 30_000 });
    const second = await startGroup(place, slow);
    await eventually(async () => send(60).then(() => second.balance().acked > 100), { timeoutMs: 30_000 });
    await first.stop(soft);
    await send(500);
    await eventually(() => effects.length === sent, { timeoutMs: 60_000 });
    await eventually(() => allCommitted(place), { timeoutMs: 10_000 });
    const lastOfKey = new Map<string, number>();
    for (const { key, n } of effects) {
      expect(n).toBeGreaterThan(lastOfKey.get(key) ?? -1);
      lastOfKey.set(key, n);
    }
    expect([isBalanced(first), isBalanced(second)]).toEqual([true, true]);
    expect(first.balance().inFlight).toBe(0);
    // Drained and committed before the partitions went: nothing that was done is done again.
    expect(duplicates()).toBe(0);
  });
});

function sameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.compare(a, b) === 0;
}

function sameHeaders(a: readonly Header[], b: readonly Header[]): boolean {
  return a.length === b.length && a.every(([name, value], index) => name === b[index]![0] && sameBytes(value, b[index]![1]));
}
