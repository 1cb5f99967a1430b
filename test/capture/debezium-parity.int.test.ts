import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerConnector } from '../../connectors/debezium/register.ts';
import { removeConnector } from '../../connectors/debezium/life.ts';
import type { RecordDifference } from '../../connectors/debezium/differences.ts';
import { RECORD_DIFFERENCES } from '../../connectors/debezium/differences.ts';
import { captureSource } from '../../connectors/outbox/relay.ts';
import { dropCaptureSource, ensureCaptureSource } from '../../connectors/replication/capture-source.ts';
import type { BrokerAdmin, BrokerDriver, TopicDeclaration } from '../../core/broker.ts';
import type { DomainDefinition } from '../../core/define.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import type { Names } from '../../core/names.ts';
import type { ConsumedRecord, Header } from '../../core/record.ts';
import { headerText } from '../../core/record.ts';
import { image } from '../../processors/image/image.ts';
import { scan } from '../../processors/scan/scan.ts';
import { outboxConnectorOf } from '../../runtime/capture.ts';
import { composeRoles } from '../../runtime/compose.ts';
import type { Config } from '../../runtime/config.ts';
import { loadConfig } from '../../runtime/config.ts';
import { Connections } from '../../runtime/connections.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { Lifecycle } from '../../runtime/lifecycle.ts';
import { migrateDomain } from '../../runtime/postgres/migrate.ts';
import { topicsOf } from '../../schemas/topics.ts';
import { eventually } from '../support/eventually.ts';
import type { KafkaConnect } from '../support/kafka-connect.ts';
import { kafkaConnect } from '../support/kafka-connect.ts';
import { services } from '../support/services.ts';
import { systemClock } from '../support/system-clock.ts';
import type { TemporaryDatabases } from '../support/temporary-databases.ts';
import { temporaryDatabases } from '../support/temporary-databases.ts';
import type { TopicRecords } from '../support/topic-records.ts';
import { readTopics } from '../support/topic-records.ts';

/** A topic that takes small records only. Its limit is set when it is made: one that is there is never lowered. */
const narrow = (topic: TopicDeclaration, names: Names): TopicDeclaration =>
  topic.topic === names.eventTopic('image.deleted') ? { ...topic, config: { ...topic.config, 'max.message.bytes': '20000' } } : topic;

const outboxOnly = ({ name, events, aggregates, captured }: DomainDefinition): DomainDefinition => ({ name, events, aggregates, captured });
/** `image` keeps its payloads as jsonb, `scan` as framed bytes. */
const pipeline = { domains: [image, scan].map(outboxOnly), projections: [] };

interface Row {
  readonly key?: string;
  readonly type?: string;
  readonly payload?: string | Buffer | null;
  readonly topic?: string;
  readonly version?: string;
  readonly createdAt?: string;
  readonly optional?: Readonly<Record<string, string>>;
}

const EVERY_OPTIONAL = {
  request_id: 'req-ü-1',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'vendor=a,other=b c',
  correlation_id: '00000000-0000-4000-8000-000000000001',
  causation_id: '00000000-0000-4000-8000-000000000002',
};

/** Deadlines, not expectations: a loaded machine takes its time. */
const WITHIN = { timeoutMs: 120_000, everyMs: 100 };

/**
 * The same committed transactions, read from two slots of one database by the relay and by Debezium, into topics of two
 * namespaces. Every record must be equal to the byte, but for the table of differences, each of which must be met.
 */
describe('relay and Debezium', { timeout: 300_000 }, () => {
  let databases: TemporaryDatabases;
  let connect: KafkaConnect;
  let relayConfig: Config;
  let twinConfig: Config;
  let driver: BrokerDriver;
  let admin: BrokerAdmin;
  let lifecycle: Lifecycle;
  let records: TopicRecords;
  const clients = new Map<string, pg.Client>();
  const committed = new Set<string>();
  const met = new Set<RecordDifference>();

  const configure = (namespace: string, extra: Record<string, string>): Config =>
    loadConfig({
      MILLRACE_NAMESPACE: namespace,
      POSTGRES_URL: services().postgresUrl,
      POSTGRES_URL_IMAGE: databases.url('image'),
      POSTGRES_URL_SCAN: databases.url('scan'),
      KAFKA_BROKERS: services().kafkaBrokers,
      SCHEMA_REGISTRY_URL: services().registryUrl,
      REDIS_URL: services().redisUrl,
      ELASTICSEARCH_URL: services().elasticsearchUrl,
      WIRE_FORMAT: 'json',
      ...extra,
    });

  const insert = async (domain: 'image' | 'scan', row: Row = {}): Promise<string> => {
    const id = randomUUID();
    const optional = Object.entries(row.optional ?? {});
    const columns = ['id', 'aggregatetype', 'aggregateid', 'type', 'payload', 'trace_id', 'topic', 'stream_id', 'version', 'created_at'];
    const payload = row.payload === undefined ? (domain === 'image' ? '{}' : Buffer.from([0, 0, 0, 0, 7, 1, 2])) : row.payload;
    const type = domain === 'image' ? 'ImageRegistered' : 'ScanCompleted';
    const values = [
      ...[id, domain, row.key ?? 'user-1', row.type ?? type, payload, 'a'.repeat(32)],
      ...[row.topic ?? (domain === 'image' ? 'image.registered' : 'scan.completed'), 'stream-ü', row.version ?? '1'],
      row.createdAt ?? '2026-03-01 09:00:00.12+02',
      ...optional.map(([, value]) => value),
    ];
    const names = [...columns, ...optional.map(([name]) => name)].join(', ');
    await clients
      .get(domain)!
      .query(`INSERT INTO ${domain}.outbox (${names}) VALUES (${values.map((_, index) => `$${index + 1}`).join(', ')})`, values);
    return id;
  };
  const run = async (domain: string, text: string): Promise<void> => {
    await clients.get(domain)!.query(text);
  };
  const commit = async (domain: 'image' | 'scan', ...rows: Row[]): Promise<void> => {
    await run(domain, 'BEGIN');
    const ids: string[] = [];
    for (const row of rows) ids.push(await insert(domain, row));
    await run(domain, 'COMMIT');
    for (const id of ids) committed.add(id);
  };

  beforeAll(async () => {
    connect = await kafkaConnect();
    databases = temporaryDatabases('par');
    relayConfig = configure(`${databases.namespace}r`, {});
    twinConfig = configure(`${databases.namespace}d`, {
      CAPTURE: 'debezium',
      KAFKA_CONNECT_URL: connect.url,
      KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE: connect.passwordReference,
    });
    driver = createKafkaJsDriver({ brokers: relayConfig.kafka.brokers, clientId: 'test-parity', logger: SILENT_LOGGER });
    admin = driver.admin();
    for (const { name } of pipeline.domains) await prepareDatabase(name);
    await admin.ensureTopics(
      [relayConfig, twinConfig].flatMap(({ names }) => topicsOf(pipeline, names, 1).map((topic) => narrow(topic, names))),
    );
    const connections = new Connections(pipeline, relayConfig, SILENT_LOGGER, 'test-parity');
    const roles = { api: false, relays: ['image', 'scan'], processors: [], projectors: [], flows: false };
    const parts = composeRoles(roles, { pipeline, connections, metrics: NO_METRICS, onFatal: () => undefined });
    lifecycle = new Lifecycle([...connections.services(), ...parts], SILENT_LOGGER);
    await lifecycle.start(new AbortController().signal);
    for (const domain of pipeline.domains) await registerConnector(connect.rest, await outboxConnectorOf(domain, twinConfig));
    await writeEverything();
    const topics = [relayConfig, twinConfig].flatMap(({ names }) => [
      ...pipeline.domains.flatMap((domain) => domain.events.map(({ route }) => names.eventTopic(route))),
      ...pipeline.domains.map((domain) => names.captureDeadLetterTopic(domain.name)),
    ]);
    records = await readTopics(driver, relayConfig.names.processorGroup('parity'), topics);
    await eventually(() => [relayConfig, twinConfig].every((config) => idsOf(config).size >= committed.size), WITHIN);
  }, 300_000);

  afterAll(async () => {
    await lifecycle.stop(10_000);
    for (const { name } of pipeline.domains) {
      await removeConnector(connect.rest, twinConfig.names.connector(name), systemClock);
      for (const config of [relayConfig, twinConfig])
        await dropCaptureSource(captureSource(name, databases.url(name), config.names), systemClock);
    }
    await records.stop();
    for (const client of clients.values()) await client.end();
    await admin.deleteTopics((await admin.listTopics()).filter((topic) => topic.startsWith(databases.namespace)));
    await admin.stop();
    await databases.dropAll();
  }, 120_000);

  async function prepareDatabase(domain: string): Promise<void> {
    await migrateDomain({ databaseUrl: databases.url(domain), domain, logger: SILENT_LOGGER });
    const client = new pg.Client({ connectionString: databases.url(domain) });
    await client.connect();
    clients.set(domain, client);
    // Rows that the constraints forbid must still meet the same end.
    await client.query(`ALTER TABLE ${domain}.outbox ALTER payload DROP NOT NULL`);
    if (domain === 'scan') {
      await client.query(`ALTER TABLE scan.outbox DROP CONSTRAINT outbox_payload_check, DROP CONSTRAINT outbox_payload_size`);
      await client.query(`ALTER TABLE scan.outbox ALTER payload TYPE bytea USING convert_to(payload::text, 'UTF8')`);
    }
    for (const config of [relayConfig, twinConfig]) await ensureCaptureSource(captureSource(domain, databases.url(domain), config.names));
  }

  async function writeEverything(): Promise<void> {
    const payloads = [
      '{}',
      '{"z": 1, "a": {"b": [{"c": [[], {}, null, true, "x"]}]}}',
      '{"above": 9007199254740993123, "exact": 1.50, "small": 1e-30, "huge": 123456789012345678901234567890.000}',
      JSON.stringify({ ключ: 'é😀\u2028"\\/\b\n', empty: '' }),
      JSON.stringify({ long: 'ü'.repeat(40_000) }),
    ];
    for (const payload of payloads) await commit('image', { payload });
    await commit('image', { optional: EVERY_OPTIONAL, version: '9007199254740993' });
    for (const [name, value] of Object.entries(EVERY_OPTIONAL)) await commit('image', { optional: { [name]: value } });
    for (const createdAt of ['2026-03-01 09:00:00+00', '1999-12-31 23:59:59.999999-08', '2026-03-01 09:00:00.5+05:30']) {
      await commit('image', { createdAt });
    }
    await commit(
      'image',
      ...Array.from({ length: 60 }, (_, n): Row => ({ key: `user-${n % 7}-ü`, version: String(n + 1), payload: `{"n": ${n}}` })),
    );
    await commit('image', { topic: 'image.processed', type: 'ImageProcessed' }, { topic: 'image.deleted', type: 'ImageDeleted' });
    await commit('image', { payload: null }, { topic: 'nobody.declared' }, { key: 'user-2' });
    await writeAroundTheOutbox();
    const bytes = [randomBytes(2_000), Buffer.from([0]), Buffer.alloc(0), Buffer.from('{"not": "framed"}')];
    for (const payload of bytes)
      await commit('scan', { payload: payload === bytes[0] ? Buffer.concat([Buffer.from([0, 0, 0, 0, 9]), payload]) : payload });
    await commit('scan', { payload: null }, { key: 'user-3', optional: EVERY_OPTIONAL });
    await commit('image', { key: 'the-last' });
    await commit('scan', { key: 'the-last' });
  }

  /** Rollbacks, savepoints, other tables, and what should never be done to an outbox. */
  async function writeAroundTheOutbox(): Promise<void> {
    await run('image', 'BEGIN');
    await insert('image', { key: 'rolled-back' });
    await run('image', 'ROLLBACK');
    await run('image', 'BEGIN');
    const kept = await insert('image', { key: 'kept' });
    await run('image', 'SAVEPOINT before');
    await insert('image', { key: 'taken-back' });
    await run('image', 'ROLLBACK TO SAVEPOINT before');
    await run('image', `INSERT INTO image.images (image_id, user_id, status) VALUES ('i', 'u', 'new'), ('j', 'u', 'new')`);
    await run('image', `UPDATE image.images SET status = 'old'`);
    await run('image', `DELETE FROM image.images WHERE image_id = 'j'`);
    await run('image', 'COMMIT');
    committed.add(kept);
    await run('image', `DELETE FROM image.images`);
    await run('image', `SELECT pg_logical_emit_message(true, 'somebody', 'else')`);
    await run('image', 'SET session_replication_role = replica'); // no trigger that refuses
    await run('image', `UPDATE image.outbox SET type = 'Changed' WHERE aggregateid = 'user-1'`);
    await run('image', `DELETE FROM image.outbox WHERE aggregateid = 'kept'`);
    await run('image', 'RESET session_replication_role');
  }

  function idsOf({ names }: Config): Set<string> {
    const ours = records.records.filter(({ topic }) => topic.startsWith(`${names.namespace}.`));
    return new Set(ours.map(({ headers }) => headerText(headers, 'id') ?? ''));
  }

  /** Without the namespace, first occurrences only, in the order of their partition. */
  function logOf({ names }: Config): Map<string, ConsumedRecord[]> {
    const log = new Map<string, ConsumedRecord[]>();
    const seen = new Set<string>();
    for (const record of records.records) {
      if (!record.topic.startsWith(`${names.namespace}.`)) continue;
      const id = headerText(record.headers, 'id') ?? '';
      if (seen.has(id)) continue;
      seen.add(id);
      const place = `${record.topic.slice(names.namespace.length + 1)}/${record.partition}`;
      log.set(place, [...(log.get(place) ?? []), record]);
    }
    return log;
  }

  /** A record as text that is equal for both, but for what the table of differences allows; which is noted. */
  function comparable(place: string, record: ConsumedRecord, other: ConsumedRecord): string {
    let headers: readonly Header[] = record.headers;
    const without = (difference: RecordDifference, applies: boolean, drop: (header: Header) => boolean): void => {
      if (!applies || !headers.some(drop)) return;
      met.add(difference);
      headers = headers.filter((header) => !drop(header));
    };
    without('null-headers', true, ([name, value]) => value === null && name in EVERY_OPTIONAL);
    without(
      'dead-letters',
      place.startsWith('capture.'),
      ([name]) => name === 'content-type' || (name.startsWith('dlt-') && name !== 'dlt-error-code'),
    );
    without('unframed-bytes', place.startsWith('events.scan.') && record.value?.[0] !== 0, ([name]) => name === 'content-type');
    if (record.timestampMs !== other.timestampMs) met.add('timestamp');
    const hex = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString('hex'));
    return JSON.stringify({ key: hex(record.key), value: hex(record.value), headers: headers.map(([name, value]) => [name, hex(value)]) });
  }

  it('publish every committed row of both payload types, and no other', () => {
    expect(committed.size).toBeGreaterThan(80);
    for (const config of [relayConfig, twinConfig]) expect(idsOf(config)).toEqual(committed);
  });

  it('write the same topics, partitions, keys, headers and values, byte for byte and in the same order', () => {
    const [relay, twin] = [logOf(relayConfig), logOf(twinConfig)];
    expect([...twin.keys()].sort()).toEqual([...relay.keys()].sort());
    let compared = 0;
    for (const [place, expected] of relay) {
      const found = twin.get(place) ?? [];
      expect(found.length, place).toBe(expected.length);
      for (const [index, record] of expected.entries()) {
        expect(comparable(place, found[index]!, record), place).toBe(comparable(place, record, found[index]!));
        compared += 1;
      }
    }
    expect(compared).toBe(committed.size);
  });

  it('and differ in their records by what the table says, no less and no more', () => {
    expect([...met].sort()).toEqual(RECORD_DIFFERENCES.map(({ id }) => id).sort());
  });

  it('a row that its topic refuses for its size stops Debezium, which says so, and goes to the dead letters of the relay', async () => {
    const text = randomBytes(40_000).toString('hex');
    await commit('image', { topic: 'image.deleted', type: 'ImageDeleted', payload: JSON.stringify({ text }) });
    await eventually(() => idsOf(relayConfig).size === committed.size, WITHIN);
    await eventually(async () => (await connect.rest.status(twinConfig.names.connector('image')))?.tasks[0]?.state === 'FAILED', WITHIN);
    const status = await connect.rest.status(twinConfig.names.connector('image'));
    expect(status?.tasks[0]?.trace).toMatch(/RecordTooLarge/);
    expect(status?.tasks[0]?.trace).not.toContain(text.slice(0, 20));
    expect(idsOf(twinConfig).size).toBe(committed.size - 1);
  });
});
