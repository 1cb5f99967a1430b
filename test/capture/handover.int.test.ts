import { randomUUID } from 'node:crypto';
import { setTimeout as after } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeConnector, stopConnector } from '../../connectors/debezium/life.ts';
import { captureSource } from '../../connectors/outbox/relay.ts';
import { dropCaptureSource, ensureCaptureSource } from '../../connectors/replication/capture-source.ts';
import { readCaptureOwner, writeCaptureOwner } from '../../connectors/replication/capture-owner.ts';
import type { SourceIdentity } from '../../connectors/replication/source-identity.ts';
import { dropSlot, ensureSlot } from '../../connectors/replication/slot.ts';
import { withSqlSession } from '../../connectors/replication/sql-session.ts';
import type { BrokerAdmin, BrokerDriver } from '../../core/broker.ts';
import type { DomainDefinition } from '../../core/define.ts';
import type { HealthSource, Service } from '../../core/lifecycle.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { headerText } from '../../core/record.ts';
import { image } from '../../processors/image/image.ts';
import { captureStandings, repairCaptures } from '../../runtime/capture-repair.ts';
import { composeRoles } from '../../runtime/compose.ts';
import type { Config } from '../../runtime/config.ts';
import { loadConfig } from '../../runtime/config.ts';
import { Connections } from '../../runtime/connections.ts';
import type { HandoverOutcome } from '../../runtime/handover.ts';
import { handOver, planHandover } from '../../runtime/handover.ts';
import { createSourceIdentity } from '../../runtime/source-identity.ts';
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

const { name, events, aggregates, captured } = image;
const domain: DomainDefinition = { name, events, aggregates, captured };
const pipeline = { domains: [domain], projections: [] };

/** Deadlines, not expectations: a loaded machine takes its time. */
const WITHIN = { timeoutMs: 120_000, everyMs: 100 };

/** One domain, its relay in this process, Debezium beside it, and a writer that never stops. */
describe('a handover of a live domain', { timeout: 300_000 }, () => {
  let databases: TemporaryDatabases;
  let connect: KafkaConnect;
  let config: Config;
  let driver: BrokerDriver;
  let admin: BrokerAdmin;
  let lifecycle: Lifecycle;
  let tools: Lifecycle;
  let identity: SourceIdentity;
  let relay: HealthSource;
  let source: HealthSource;
  let records: TopicRecords;
  let client: pg.Client;
  let writing: Promise<void>;
  const stopped = new AbortController();
  const committed = new Map<string, string[]>();
  const outcomes: HandoverOutcome[] = [];
  let duplicatesOfFailed = 0;

  const written = (): number => [...committed.values()].reduce((sum, ids) => sum + ids.length, 0);
  const idOf = (record: TopicRecords['records'][number]): string => headerText(record.headers, 'id') ?? '';
  const seen = (): Set<string> => new Set(records.records.map(idOf));
  const arrived = async (ids: readonly string[]): Promise<void> => {
    const all = (): boolean => {
      const there = seen();
      return ids.every((id) => there.has(id));
    };
    await eventually(all, WITHIN);
  };
  const handingOver = async (
    to: 'relay' | 'debezium',
    report: (step: string) => void = () => undefined,
    signal?: AbortSignal,
    rest = connect.rest,
  ) => {
    const outcome = await handOver({
      domain,
      to,
      config,
      rest,
      driver,
      identity,
      report,
      ...(signal === undefined ? {} : { signal }),
    });
    outcomes.push(outcome);
    return outcome;
  };
  /** The gap is closed, and so many rows were missing. */
  const repaired = async (rows: number): Promise<void> =>
    repairCaptures(pipeline, config, SILENT_LOGGER, {
      domain: name,
      apply: true,
      confirmed: false,
      signal: new AbortController().signal,
      progress: () => undefined,
      onReport: ({ missing }) => expect(missing).toMatchObject([{ rows }]),
      onLeftAlone: () => expect.fail('Debezium has the slot'),
      onError: (_domain, error) => expect.fail(error.message),
    });
  const owner = async () => withSqlSession(databases.url(name), async (sql) => readCaptureOwner(sql, name));
  /** Rows that are written from now on arrive. */
  const flows = async (): Promise<void> => {
    const all = [...committed.values()].flat();
    await eventually(() => written() > all.length + 20, WITHIN);
    const upToNow = [...committed.values()].flat();
    await arrived(upToNow);
  };

  beforeAll(async () => {
    connect = await kafkaConnect();
    databases = temporaryDatabases('hand');
    config = loadConfig({
      MILLRACE_NAMESPACE: databases.namespace,
      POSTGRES_URL: services().postgresUrl,
      KAFKA_BROKERS: services().kafkaBrokers,
      SCHEMA_REGISTRY_URL: services().registryUrl,
      REDIS_URL: services().redisUrl,
      ELASTICSEARCH_URL: services().elasticsearchUrl,
      WIRE_FORMAT: 'json',
      KAFKA_CONNECT_URL: connect.url,
      KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE: connect.passwordReference,
    });
    driver = createKafkaJsDriver({ brokers: config.kafka.brokers, clientId: 'test-handover', logger: SILENT_LOGGER });
    admin = driver.admin();
    await migrateDomain({ databaseUrl: databases.url(name), domain: name, logger: SILENT_LOGGER });
    await ensureCaptureSource(captureSource(name, databases.url(name), config.names));
    await admin.ensureTopics(topicsOf(pipeline, config.names, 1));
    const connections = new Connections(pipeline, config, SILENT_LOGGER, 'test-handover');
    const roles = { api: false, relays: [name], processors: [], projectors: [], flows: false };
    const parts = composeRoles(roles, { pipeline, connections, metrics: NO_METRICS, onFatal: () => undefined });
    relay = parts.flat().find((part): part is Service & HealthSource => part.name === `relay.${name}`)!;
    source = parts.flat().find((part): part is Service & HealthSource => part.name === `source.${name}`)!;
    lifecycle = new Lifecycle([...connections.services(), ...parts], SILENT_LOGGER);
    await lifecycle.start(new AbortController().signal);
    // The handover is another process.
    const others = new Connections(pipeline, config, SILENT_LOGGER, 'test-handover-command');
    identity = createSourceIdentity(domain, others);
    tools = new Lifecycle(others.services(), SILENT_LOGGER);
    await tools.start(new AbortController().signal);
    records = await readTopics(driver, config.names.processorGroup('test'), [config.names.eventTopic('image.registered')]);
    client = new pg.Client({ connectionString: databases.url(name) });
    await client.connect();
    writing = write();
  }, 240_000);

  afterAll(async () => {
    stopped.abort();
    await writing;
    await lifecycle.stop(10_000);
    await tools.stop(10_000);
    await removeConnector(connect.rest, config.names.connector(name), systemClock);
    await records.stop();
    await client.end();
    await dropCaptureSource(captureSource(name, databases.url(name), config.names), systemClock);
    await admin.deleteTopics((await admin.listTopics()).filter((topic) => topic.startsWith(databases.namespace)));
    await admin.stop();
    await databases.dropAll();
  }, 120_000);

  async function write(): Promise<void> {
    for (let round = 0; !stopped.signal.aborted; round += 1) {
      await client.query('BEGIN');
      const ids: [string, string][] = [];
      for (let row = 0; row <= round % 3; row += 1) {
        const key = `user-${(round + row) % 5}`;
        ids.push([key, await insertOne(key)]);
      }
      await client.query('COMMIT');
      for (const [key, id] of ids) committed.set(key, [...(committed.get(key) ?? []), id]);
      await after(5);
    }
  }

  async function insertOne(key: string): Promise<string> {
    const id = randomUUID();
    await client.query(
      `INSERT INTO image.outbox (id, aggregatetype, aggregateid, type, payload, trace_id) VALUES ($1, 'image', $2, 'ImageRegistered', '{}', 't')`,
      [id, key],
    );
    return id;
  }

  async function insert(rows: number): Promise<string[]> {
    const ids: string[] = [];
    for (let row = 0; row < rows; row += 1) ids.push(await insertOne('user-0'));
    return ids;
  }

  it('is only told, not done, by a dry run', async () => {
    const steps = await planHandover({ domain, to: 'debezium', config, rest: connect.rest });
    expect(steps.join('\n')).toContain(config.names.connector(name));
    expect(await connect.rest.config(config.names.connector(name))).toBeUndefined();
    expect(relay.health()[0]).toMatchObject({ status: 'ok', facts: { state: 'streaming' } });
    await flows();
  });

  it('that is stopped half way is taken back: the relay goes on', async () => {
    const cut = new AbortController();
    const cutOff = (step: string): void => {
      if (step.startsWith('asking the relay')) cut.abort(new Error('cut off'));
    };
    await expect(handingOver('debezium', cutOff, cut.signal)).rejects.toThrow('cut off');
    expect(await owner()).toBe('relay');
    await eventually(() => relay.health()[0]?.facts?.['state'] === 'streaming', WITHIN);
    expect((await connect.rest.status(config.names.connector(name)))?.state).toBe('STOPPED');
    await flows();
  });

  it('that fails after Debezium has published from the slot is taken back, and the relay takes that for no gap', async () => {
    const connector = config.names.connector(name);
    const slotAt = async (): Promise<string> => {
      const { rows } = await client.query<{ lsn: string }>(
        'SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = $1',
        [config.names.slot(name)],
      );
      return rows[0]?.lsn ?? '';
    };
    const resume = async (): Promise<void> => {
      const before = await slotAt();
      await connect.rest.resume(connector);
      await flows();
      await eventually(async () => (await slotAt()) !== before, WITHIN);
      throw new ClassifiedError('CONNECT_UNAVAILABLE', 'the answer is lost');
    };
    const rest = new Proxy(connect.rest, {
      get: (there, key) => {
        if (key === 'resume') return resume;
        const value: unknown = Reflect.get(there, key, there);
        return typeof value === 'function' ? (value.bind(there) as unknown) : value;
      },
    });
    const counts: number[] = [];
    const report = (step: string): void => {
      const found = /^the slot is let go: (\d+) rows wait in it, (\d+) of them/.exec(step);
      if (found !== null) counts.push(Number(found[2]));
    };
    await expect(handingOver('debezium', report, undefined, rest)).rejects.toThrow('the answer is lost');
    expect(counts).toHaveLength(1);
    duplicatesOfFailed += counts[0] ?? 0;
    expect(await owner()).toBe('relay');
    await eventually(() => relay.health()[0]?.facts?.['state'] === 'streaming', WITHIN);
    expect(relay.health()[0]).toMatchObject({ status: 'ok' });
    expect((await connect.rest.status(connector))?.state).toBe('STOPPED');
    await flows();
  });

  it('that was killed half way leaves the events in the slot, health says so, and the next one goes on', async () => {
    await writeCaptureOwner(client, name, 'debezium');
    await eventually(
      () => relay.health()[0]?.status === 'degraded' && relay.health()[0]?.detail?.includes('Nobody reads') === true,
      WITHIN,
    );
    await handingOver('debezium');
    expect((await connect.rest.status(config.names.connector(name)))?.tasks).toMatchObject([{ state: 'RUNNING' }]);
    await flows();
    await eventually(() => relay.health()[0]?.status === 'ok', WITHIN);
    expect(relay.health()[0]).toMatchObject({ facts: { state: 'handed over to Debezium' } });
    // The slot moves on without our memory: `slot status` calls that by its name, and no gap.
    const [standing] = await captureStandings(pipeline, config, SILENT_LOGGER);
    expect(standing).toMatchObject({ owner: 'debezium', error: undefined, assessment: { findings: [] } });
  });

  it('leaves nothing to repair, and no event that only the log would hold', async () => {
    const told: string[] = [];
    const command = {
      apply: true,
      confirmed: false,
      signal: new AbortController().signal,
      progress: (_domain: string, step: string): void => void told.push(step),
      onReport: (): void => void told.push('reported'),
      onLeftAlone: (domain: string, remedy: string): void => void told.push(`${domain} ${remedy}`),
      onError: (_domain: string, error: ClassifiedError): void => void told.push(error.code),
    };
    await repairCaptures(pipeline, config, SILENT_LOGGER, { ...command, domain: undefined });
    await repairCaptures(pipeline, config, SILENT_LOGGER, { ...command, domain: name });
    expect(told).toEqual([expect.stringContaining(`${name} \`millrace slot handover --domain ${name} --to relay\``), 'SLOT_IN_USE']);
    const other = new pg.Client({ connectionString: databases.url(name) });
    await other.connect();
    try {
      await expect(other.query(`SELECT image.emit_outbox('image', 'user-0', 'ImageRegistered', '{}', 't')`)).rejects.toMatchObject({
        code: '55000',
        message: expect.stringContaining('Debezium captures this domain') as string,
      });
    } finally {
      await other.end();
    }
  });

  it('back that is stopped half way is taken back: Debezium goes on', async () => {
    const cut = new AbortController();
    const cutOff = (step: string): void => {
      if (step.startsWith('the slot is free')) cut.abort(new Error('cut off'));
    };
    await expect(handingOver('relay', cutOff, cut.signal)).rejects.toThrow('cut off');
    expect(await owner()).toBe('debezium');
    await flows();
  });

  it('back to the relay goes on without a restart of its process, and says what is to be set', async () => {
    const { from, waiting, duplicates, remarks } = await handingOver('relay');
    expect(from).toBe('debezium');
    expect(duplicates).toBeLessThanOrEqual(waiting ?? 0);
    expect(remarks).toEqual([]);
    await eventually(() => relay.health()[0]?.facts?.['state'] === 'streaming', WITHIN);
    await flows();
    const { remarks: again } = await handingOver('debezium');
    expect(again).toEqual(['set CAPTURE_IMAGE=debezium in the configuration: it still says relay']);
    await flows();
    await handingOver('relay');
    await flows();
  });

  it('loses nothing, keeps the order per key, and counts every duplicate', async () => {
    stopped.abort();
    await writing;
    const all = [...committed.values()].flat();
    await arrived(all);
    expect(seen()).toEqual(new Set(all));
    const first = new Map<string, string[]>();
    const known = new Set<string>();
    for (const record of records.records) {
      const id = idOf(record);
      if (known.has(id)) continue;
      known.add(id);
      const key = Buffer.from(record.key!).toString('utf8');
      first.set(key, [...(first.get(key) ?? []), id]);
    }
    for (const [key, ids] of committed) expect(first.get(key)).toEqual(ids);
    expect(outcomes.map(({ to }) => to)).toEqual(['debezium', 'relay', 'debezium', 'relay']);
    // What Debezium had published and not confirmed when it was stopped.
    expect(records.records.length).toBeGreaterThan(known.size);
    expect(records.records.length - known.size).toBe(outcomes.reduce((sum, { duplicates }) => sum + (duplicates ?? 0), duplicatesOfFailed));
  });

  it('finds a slot that is made anew in Debezium’s turn, refuses the way back, and the relay stands in the gap until it is repaired', async () => {
    // Its record is older than its row, and may lie before the part of the topic that is compared first: it is not lost.
    const dated = randomUUID();
    await client.query(
      `INSERT INTO image.outbox (id, aggregatetype, aggregateid, type, payload, trace_id, created_at)
       VALUES ($1, 'image', 'user-0', 'ImageRegistered', '{}', 't', now() + interval '3 hours')`,
      [dated],
    );
    await arrived([dated, ...(await insert(1))]);
    await eventually(() => source.health().length === 0, WITHIN);
    await handingOver('debezium');
    expect((await captureStandings(pipeline, config, SILENT_LOGGER))[0]?.assessment?.findings).toEqual([]);
    const connector = config.names.connector(name);
    await stopConnector(connect.rest, connector, systemClock);
    await withSqlSession(databases.url(name), async (sql) => dropSlot(sql, config.names.slot(name), systemClock));
    const lost = await insert(3);
    await withSqlSession(databases.url(name), async (sql) => ensureSlot(sql, config.names.slot(name)));
    await connect.rest.forgetOffsets(connector);
    await connect.rest.resume(connector);
    // Debezium streams as if nothing had happened.
    await arrived(await insert(3));
    expect((await connect.rest.status(connector))?.tasks).toMatchObject([{ state: 'RUNNING' }]);
    const [standing] = await captureStandings(pipeline, config, SILENT_LOGGER);
    expect(standing).toMatchObject({ owner: 'debezium', assessment: { findings: [{ code: 'SLOT_RECREATED' }] } });
    await eventually(() => source.health()[0]?.detail?.startsWith('SLOT_RECREATED') === true, WITHIN);
    await expect(handingOver('relay')).rejects.toMatchObject({
      code: 'SLOT_RECREATED',
      message: expect.stringContaining('3 rows are neither in the topics nor in the slot') as string,
    });
    await eventually(() => /SLOT_RECREATED/.test(relay.health()[0]?.detail ?? ''), WITHIN);
    expect(lost.some((id) => seen().has(id))).toBe(false);
    await repaired(3);
    await arrived([...lost, ...(await insert(1))]);
  });

  it('back is possible when the slot is gone: the relay stands in that gap until it is repaired', async () => {
    await handingOver('debezium');
    await stopConnector(connect.rest, config.names.connector(name), systemClock);
    await withSqlSession(databases.url(name), async (sql) => dropSlot(sql, config.names.slot(name), systemClock));
    const lost = await insert(2);
    await expect(handingOver('relay')).rejects.toMatchObject({ code: 'SLOT_MISSING' });
    expect(await owner()).toBe('relay');
    await eventually(() => /SLOT_MISSING/.test(relay.health()[0]?.detail ?? ''), WITHIN);
    await repaired(2);
    await arrived([...lost, ...(await insert(1))]);
  });
});
