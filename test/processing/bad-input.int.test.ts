import avsc from 'avsc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BrokerAdmin, BrokerDriver, Consumer, Producer } from '../../core/broker.ts';
import { ENVELOPE_HEADERS } from '../../core/envelope.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { Names } from '../../core/names.ts';
import type { ConsumedRecord, Header, ProducerRecord } from '../../core/record.ts';
import { headerText, textHeader, utf8, utf8Text } from '../../core/record.ts';
import { pipeline } from '../../pipeline.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { createPayloads } from '../../runtime/payloads.ts';
import type { ConsumerGroup } from '../../runtime/processing/consumer-group.ts';
import { createConsumerGroup } from '../../runtime/processing/consumer-group.ts';
import { systemClock } from '../../runtime/telemetry/system-clock.ts';
import type { AvroRecord } from '../../schemas/avro-schema.ts';
import { SCHEMAS } from '../../schemas/generated/events.ts';
import { createSchemaRegistry } from '../../schemas/registry.ts';
import { topicsOf } from '../../schemas/topics.ts';
import { encodeFrame } from '../../schemas/wire-format.ts';
import { eventHeaders } from '../support/consumed-record.ts';
import { eventually } from '../support/eventually.ts';
import { InMemoryParkedRecords } from '../support/in-memory-parked-records.ts';
import { services, uniqueNamespace } from '../support/services.ts';

/** As the topic is declared. */
const PARTITIONS = 6;
const TYPE = 'ScanCompleted';
/** Longer than everything else takes together: what waits for it is seen to wait alone. */
const LADDER_STEP_MS = 5_000;
const NEARLY_A_MEGABYTE = 1_047_000;

const names = new Names(uniqueNamespace('badinput'));
const topic = names.eventTopic('scan.completed');
const group = names.processorGroup('character');
const letters = names.deadLetterTopic(topic, group);
const subjects: string[] = [];

let driver: BrokerDriver;
let admin: BrokerAdmin;
let producer: Producer;
let watcher: Consumer;
let underTest: ConsumerGroup;
const buried: ConsumedRecord[] = [];
const handled = new Map<string, unknown>();
let ids: {
  readonly v1: number;
  readonly v3: number;
  readonly newer: number;
  readonly bomb: number;
  readonly deep: number;
  readonly map: number;
};

const registry = () => createSchemaRegistry({ url: services().registryUrl, logger: SILENT_LOGGER });

/** What version 3 does not know: a field more, and a record in it. */
const NEWER: AvroRecord = {
  ...SCHEMAS.ScanCompleted.latest,
  fields: [
    ...SCHEMAS.ScanCompleted.latest.fields,
    { name: 'region', type: 'string', default: 'unknown' },
    { name: 'tags', type: ['null', { type: 'map', values: { type: 'array', items: 'string' } }], default: null },
  ],
};
const scanCompleted = (fields: AvroRecord['fields']): AvroRecord => ({ type: 'record', name: TYPE, namespace: 'eco2.scan', fields });
const BOMB = scanCompleted([{ name: 'nothings', type: { type: 'array', items: 'null' } }]);
const DEEP: unknown = {
  type: 'record',
  name: TYPE,
  namespace: 'eco2.scan',
  fields: [{ name: 'next', type: ['null', TYPE], default: null }],
};
const MAP = scanCompleted([...SCHEMAS.ScanCompleted.versions[0]!.fields, { name: 'labels', type: { type: 'map', values: 'string' } }]);

interface Input {
  readonly what: string;
  readonly record: (key: string) => Partial<ProducerRecord>;
  /** The door and, for a dead letter, its code. */
  readonly leavesAs:
    'acked' | 'skipped' | 'PAYLOAD_UNREADABLE' | 'PAYLOAD_INVALID' | 'ENVELOPE_INVALID' | 'EVENT_UNKNOWN' | 'SCHEMA_UNKNOWN';
}

const payload = (key: string): Record<string, unknown> => ({ scan_id: 's', user_id: key, category: 'paper', reward_eligible: true });
const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value));
const avro = (schema: AvroRecord, value: unknown): Uint8Array => avsc.Type.forSchema(schema as unknown as avsc.Schema).toBuffer(value);
const headers = (key: string, type = TYPE): Header[] => eventHeaders({ id: nextId(), type, streamId: key });
const without = (name: string) => (key: string) => ({ headers: headers(key).filter(([header]) => header !== name) });
const instead = (name: string, text: string) => (key: string) => ({
  headers: headers(key).map((header): Header => (header[0] === name ? textHeader(name, text) : header)),
});

let serial = 0;
function nextId(): string {
  serial += 1;
  return `00000000-0000-4000-8000-${serial.toString(16).padStart(12, '0')}`;
}

const INPUTS: readonly Input[] = [
  { what: 'plain JSON', record: () => ({}), leavesAs: 'acked' },
  {
    what: 'Avro of version 1',
    record: (key) => ({ value: encodeFrame(ids.v1, avro(SCHEMAS.ScanCompleted.versions[0]!, payload(key))) }),
    leavesAs: 'acked',
  },
  {
    what: 'Avro of a newer version than known',
    record: (key) => ({
      value: encodeFrame(
        ids.newer,
        avro(NEWER, { ...payload(key), confidence: 0.5, version: '9', image_id: null, region: 'r', tags: { a: ['b'] } }),
      ),
    }),
    leavesAs: 'acked',
  },
  {
    what: 'JSON of a newer version than known',
    record: (key) => ({ value: json({ ...payload(key), region: { deep: [1] } }) }),
    leavesAs: 'acked',
  },
  { what: '1 MB', record: (key) => ({ value: json({ ...payload(key), category: 'x'.repeat(NEARLY_A_MEGABYTE) }) }), leavesAs: 'acked' },
  {
    what: '1 MB that cannot be read',
    record: () => ({ value: utf8(`{"${'x'.repeat(NEARLY_A_MEGABYTE)}`) }),
    leavesAs: 'PAYLOAD_UNREADABLE',
  },
  {
    what: 'a __proto__ key in JSON',
    record: (key) => ({ value: utf8(JSON.stringify(payload(key)).replace('{', '{"__proto__":{"isAdmin":true},')) }),
    leavesAs: 'acked',
  },
  { what: 'a __proto__ key in an Avro map', record: (key) => ({ value: encodeFrame(ids.map, mapBody(key)) }), leavesAs: 'acked' },
  {
    what: 'JSON nested 100,000 deep in a field nobody reads',
    record: (key) => ({ value: utf8(deepJson(key, 'deep')) }),
    leavesAs: 'acked',
  },
  {
    what: 'JSON nested 100,000 deep in a field that is read',
    record: (key) => ({ value: utf8(deepJson(key, 'category')) }),
    leavesAs: 'PAYLOAD_INVALID',
  },
  {
    what: 'Avro nested 200 deep',
    record: () => ({ value: encodeFrame(ids.deep, new Uint8Array(201).fill(2, 0, 200)) }),
    leavesAs: 'PAYLOAD_UNREADABLE',
  },
  {
    what: 'a collection bomb of six bytes',
    record: () => ({ value: encodeFrame(ids.bomb, Uint8Array.of(0x80, 0x88, 0xde, 0xbe, 0x01, 0)) }),
    leavesAs: 'PAYLOAD_UNREADABLE',
  },
  { what: 'text that is neither Avro nor JSON', record: () => ({ value: utf8('<scan/>') }), leavesAs: 'PAYLOAD_UNREADABLE' },
  { what: 'bytes that are neither', record: () => ({ value: Uint8Array.of(0xff, 0xfe, 0) }), leavesAs: 'PAYLOAD_UNREADABLE' },
  { what: 'JSON that is cut off', record: () => ({ value: utf8('{"scan_id":"s"') }), leavesAs: 'PAYLOAD_UNREADABLE' },
  { what: 'JSON that is not UTF-8', record: () => ({ value: Uint8Array.of(0x7b, 0xff, 0x7d) }), leavesAs: 'PAYLOAD_UNREADABLE' },
  { what: 'no bytes', record: () => ({ value: new Uint8Array() }), leavesAs: 'PAYLOAD_UNREADABLE' },
  { what: 'a null value', record: () => ({ value: null }), leavesAs: 'PAYLOAD_UNREADABLE' },
  { what: 'a null key', record: () => ({ key: null }), leavesAs: 'ENVELOPE_INVALID' },
  { what: "a key that is not the payload's", record: () => ({ value: json(payload('somebody else')) }), leavesAs: 'PAYLOAD_INVALID' },
  { what: 'a wrong magic byte', record: (key) => ({ value: wrongMagic(key) }), leavesAs: 'PAYLOAD_UNREADABLE' },
  { what: 'a frame that is cut off in its id', record: () => ({ value: Uint8Array.of(0, 0, 0) }), leavesAs: 'PAYLOAD_UNREADABLE' },
  { what: 'a frame without a body', record: () => ({ value: encodeFrame(ids.v1, new Uint8Array()) }), leavesAs: 'PAYLOAD_UNREADABLE' },
  { what: 'a frame whose body is cut off', record: (key) => ({ value: frameV3(key).subarray(0, 12) }), leavesAs: 'PAYLOAD_UNREADABLE' },
  {
    what: 'a frame with bytes behind its end',
    record: (key) => ({ value: Buffer.concat([frameV3(key), Uint8Array.of(0)]) }),
    leavesAs: 'PAYLOAD_UNREADABLE',
  },
  { what: 'the schema id 0', record: () => ({ value: new Uint8Array(9) }), leavesAs: 'PAYLOAD_UNREADABLE' },
  {
    what: 'a schema id that the registry does not know',
    record: () => ({ value: encodeFrame(987_654_321, Uint8Array.of(0)) }),
    leavesAs: 'SCHEMA_UNKNOWN',
  },
  { what: 'a field of the wrong type', record: (key) => ({ value: json({ ...payload(key), scan_id: 7 }) }), leavesAs: 'PAYLOAD_INVALID' },
  { what: 'a field that is missing', record: (key) => ({ value: json({ user_id: key }) }), leavesAs: 'PAYLOAD_INVALID' },
  { what: 'an event type that nobody declares', record: (key) => ({ headers: headers(key, 'Unheard') }), leavesAs: 'EVENT_UNKNOWN' },
  { what: 'an event type that the group does not want', record: (key) => ({ headers: headers(key, 'ImageDeleted') }), leavesAs: 'skipped' },
  { what: 'no headers', record: () => ({ headers: [] }), leavesAs: 'ENVELOPE_INVALID' },
  ...ENVELOPE_HEADERS.slice(0, 6).map((name): Input => ({
    what: `no header ${name}`,
    record: without(name),
    leavesAs: 'ENVELOPE_INVALID',
  })),
  { what: 'an id that is no UUID', record: instead('id', 'one'), leavesAs: 'ENVELOPE_INVALID' },
  { what: 'a version that is no number', record: instead('version', '1e3'), leavesAs: 'ENVELOPE_INVALID' },
  { what: 'a header of 10,000 characters', record: instead('trace_id', 'a'.repeat(10_000)), leavesAs: 'ENVELOPE_INVALID' },
];

function frameV3(key: string): Uint8Array {
  const value = { ...payload(key), confidence: null, version: '2.0', image_id: null };
  return encodeFrame(ids.v3, avro(SCHEMAS.ScanCompleted.latest, value));
}

function wrongMagic(key: string): Uint8Array {
  const frame = frameV3(key);
  frame[0] = 1;
  return frame;
}

function deepJson(key: string, field: string): string {
  return JSON.stringify({ ...payload(key), [field]: 0 }).replace(`"${field}":0`, `"${field}":${'['.repeat(100_000)}${']'.repeat(100_000)}`);
}

function mapBody(key: string): Uint8Array {
  const labels = Object.defineProperty({}, '__proto__', { value: 'isAdmin', enumerable: true });
  return avro(MAP, { ...payload(key), labels });
}

const keyOf = (index: number): string => `input-${index}`;
const neighbours: string[] = [];

/** Every input in a partition of its own choosing, between two records that are in order. */
function recordsToSend(): ProducerRecord[] {
  return INPUTS.flatMap((input, index) => {
    const key = keyOf(index);
    const partition = index % PARTITIONS;
    const plain = (of: string): ProducerRecord => ({ topic, partition, key: utf8(of), value: json(payload(of)), headers: headers(of) });
    const [before, after] = [`before-${index}`, `after-${index}`];
    neighbours.push(before, after);
    return [plain(before), { ...plain(key), ...input.record(key) }, plain(after)];
  });
}

beforeAll(async () => {
  driver = createKafkaJsDriver({ brokers: services().kafkaBrokers.split(','), clientId: 'bad-input', logger: SILENT_LOGGER });
  admin = driver.admin();
  producer = driver.producer({ clientId: 'bad-input' });
  await producer.start();
  // As `apply` declares them: how large a letter may be is part of what is tested.
  await admin.ensureTopics(topicsOf(pipeline, names, 1).filter((declared) => declared.topic === topic || declared.topic === letters));
  ids = await registerSchemas();
  await startGroup();
  await watchLetters();
  for (const record of recordsToSend()) await producer.send([record]);
}, 120_000);

afterAll(async () => {
  await underTest.stop(AbortSignal.abort());
  await watcher.stop();
  await producer.stop();
  await admin.deleteTopics([topic, letters]);
  await admin.deleteGroups([group, `${letters}.watcher`]);
  await admin.stop();
  for (const subject of subjects) await fetch(`${services().registryUrl}/subjects/${subject}`, { method: 'DELETE' });
});

async function registerSchemas(): Promise<typeof ids> {
  const register = async (subject: string, schema: AvroRecord): Promise<number> => {
    if (!subjects.includes(subject)) subjects.push(subject);
    return (await registry().register(subject, schema)).id;
  };
  const versions: number[] = [];
  for (const schema of [...SCHEMAS.ScanCompleted.versions, NEWER]) versions.push(await register(names.subject(topic), schema));
  const foreign = async (what: string, schema: AvroRecord) => register(`${names.subject(topic)}-${what}`, schema);
  return {
    v1: versions[0]!,
    v3: versions.at(-2)!,
    newer: versions.at(-1)!,
    bomb: await foreign('bomb', BOMB),
    deep: await foreign('deep', DEEP as AvroRecord),
    map: await foreign('map', MAP),
  };
}

async function startGroup(): Promise<void> {
  const { decoder } = createPayloads(pipeline, { registry, config: { names, wireFormat: 'avro' } });
  underTest = createConsumerGroup({
    group,
    service: 'test',
    topics: [topic],
    broker: driver,
    producer,
    decoder,
    handler: async (event) => {
      handled.set(event.aggregateId, event.payload);
      return { kind: 'acked' };
    },
    wanted: new Set([TYPE]),
    known: new Set(pipeline.domains.flatMap(({ events }) => events).map(({ type }) => type)),
    deadLetterTopicOf: () => letters,
    parked: new InMemoryParkedRecords(systemClock),
    retryPolicy: { delaysMs: [LADDER_STEP_MS, LADDER_STEP_MS], jitter: 0 },
    handlerTimeoutMs: 10_000,
    metrics: NO_METRICS,
    logger: SILENT_LOGGER,
    clock: systemClock,
    random: Math.random,
    onFatal: (error) => expect.fail(error.message),
  });
  await underTest.start(new AbortController().signal);
}

async function watchLetters(): Promise<void> {
  watcher = driver.consumer({ group: `${letters}.watcher`, topics: [letters], from: 'earliest' });
  await watcher.start({
    onRecords: (_partition, records) => void buried.push(...records),
    onAssigned: () => undefined,
    onRevoking: async () => undefined,
    onLost: () => undefined,
    onFatal: (error) => expect.fail(error.message),
  });
}

const letterOf = (index: number): ConsumedRecord | undefined =>
  buried.find((letter) => (letter.key === null ? INPUTS[index]!.what === 'a null key' : utf8Text(letter.key) === keyOf(index)));
const codeOf = (index: number): string | undefined => {
  const letter = letterOf(index);
  return letter === undefined ? undefined : headerText(letter.headers, 'dlt-error-code');
};
const isLadder = ({ leavesAs }: Input): boolean => leavesAs === 'SCHEMA_UNKNOWN';

describe('bad input', () => {
  it('leaves by its documented door, and its neighbours pass while one that may get better is still tried', async () => {
    await eventually(() => neighbours.every((key) => handled.has(key)), { timeoutMs: 30_000 });
    const settled = (index: number): string | undefined => (handled.has(keyOf(index)) ? 'acked' : codeOf(index));
    const expected = INPUTS.map((input) => [input.what, input.leavesAs === 'skipped' || isLadder(input) ? undefined : input.leavesAs]);
    await eventually(() => expect(INPUTS.map(({ what }, index) => [what, settled(index)])).toEqual(expected), { timeoutMs: 30_000 });
    // Only what waits for its next attempt is left.
    expect(underTest.balance().inFlight).toBeLessThanOrEqual(INPUTS.filter(isLadder).length);
    expect(underTest.health()).toMatchObject([{ status: 'ok' }]);
  });

  it('is given up within one attempt, its bytes untouched, unless time may heal it', async () => {
    await eventually(() => INPUTS.every((input, index) => !isLadder(input) || letterOf(index) !== undefined), { timeoutMs: 30_000 });
    for (const [index, input] of INPUTS.entries()) {
      const letter = letterOf(index);
      if (letter === undefined) continue;
      expect([input.what, codeOf(index), headerText(letter.headers, 'dlt-attempts')]).toEqual([
        input.what,
        input.leavesAs,
        isLadder(input) ? '3' : '1',
      ]);
      const { value } = input.record(keyOf(index));
      if (value !== undefined) expect(letter.value === null ? null : Buffer.compare(letter.value, value!)).toBe(value === null ? null : 0);
    }
  });

  it('balances the books, with every offset committed', async () => {
    const { in: taken, acked, skipped, retried, deadLettered, inFlight } = underTest.balance();
    const count = (door: (input: Input) => boolean) => INPUTS.filter(door).length;
    // What is retried comes in once more.
    expect(taken - retried).toBe(3 * INPUTS.length);
    expect(acked).toBe(neighbours.length + count(({ leavesAs }) => leavesAs === 'acked'));
    expect({ skipped, inFlight }).toEqual({ skipped: 1, inFlight: 0 });
    expect(deadLettered).toBe(count(({ leavesAs }) => leavesAs !== 'acked' && leavesAs !== 'skipped'));
    await eventually(async () => {
      const [ends, committed] = await Promise.all([admin.offsets([topic]), admin.committed(group, [topic])]);
      expect(committed.map(({ offset }) => offset).sort()).toEqual(ends.map(({ end }) => end).sort());
    });
  });

  it('of whatever version becomes a payload of ours: what is newer is left out, what is missing has its default', () => {
    const payloadOf = (what: string): unknown => handled.get(keyOf(INPUTS.findIndex((input) => input.what === what)));
    const filled = { confidence: null, version: '2.0', image_id: null };
    const named = (what: string): string => keyOf(INPUTS.findIndex((input) => input.what === what));
    for (const what of ['plain JSON', 'Avro of version 1', 'JSON of a newer version than known', 'a __proto__ key in an Avro map']) {
      expect([what, payloadOf(what)]).toEqual([what, { ...payload(named(what)), ...filled }]);
    }
    const newer = 'Avro of a newer version than known';
    expect(payloadOf(newer)).toEqual({ ...payload(named(newer)), confidence: 0.5, version: '9', image_id: null });
  });

  it('reaches no prototype', () => {
    const polluted = handled.get(keyOf(INPUTS.findIndex(({ what }) => what === 'a __proto__ key in JSON'))) as Record<string, unknown>;
    expect(Object.getPrototypeOf(polluted)).toBe(Object.prototype);
    expect('isAdmin' in polluted || 'isAdmin' in {}).toBe(false);
  });
});
