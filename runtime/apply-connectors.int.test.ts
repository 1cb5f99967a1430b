import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BrokerAdmin, BrokerDriver } from '../core/broker.ts';
import type { DomainDefinition } from '../core/define.ts';
import type { JsonObject } from '../core/json.ts';
import { SILENT_LOGGER } from '../core/log.ts';
import { utf8Text } from '../core/record.ts';
import { captureSource } from '../connectors/outbox/relay.ts';
import { writeCaptureOwner } from '../connectors/replication/capture-owner.ts';
import { withSqlSession } from '../connectors/replication/sql-session.ts';
import { ensureCaptureSource } from '../connectors/replication/capture-source.ts';
import { auth } from '../processors/auth/auth.ts';
import { scan } from '../processors/scan/scan.ts';
import { topicsOf } from '../schemas/topics.ts';
import { eventually } from '../test/support/eventually.ts';
import type { KafkaConnect } from '../test/support/kafka-connect.ts';
import { kafkaConnect } from '../test/support/kafka-connect.ts';
import { services } from '../test/support/services.ts';
import type { TemporaryDatabases } from '../test/support/temporary-databases.ts';
import { temporaryDatabases } from '../test/support/temporary-databases.ts';
import type { TopicRecords } from '../test/support/topic-records.ts';
import { readTopics } from '../test/support/topic-records.ts';
import { applyConnectors } from './apply-connectors.ts';
import type { Config } from './config.ts';
import { loadConfig } from './config.ts';
import { declaredConnectors, deleteConnector, showConnectors } from './connectors.ts';
import { createKafkaJsDriver } from './kafka/kafkajs-driver.ts';
import { migrateDomain } from './postgres/migrate.ts';

const withoutProcessor = ({ name, events, aggregates, captured, tables }: DomainDefinition): DomainDefinition => ({
  ...{ name, events, aggregates, captured },
  ...(tables === undefined ? {} : { tables }),
});
const pipeline = { domains: [auth, scan].map(withoutProcessor), projections: [] };

describe('what apply makes on Kafka Connect', { timeout: 300_000 }, () => {
  let databases: TemporaryDatabases;
  let connect: KafkaConnect;
  let config: Config;
  let driver: BrokerDriver;
  let admin: BrokerAdmin;
  let sql: pg.Client;
  let first: readonly string[];
  let topics: TopicRecords;
  let password: string;

  const configure = (extra: Record<string, string>): Config =>
    loadConfig({
      MILLRACE_NAMESPACE: databases.namespace,
      POSTGRES_URL: services().postgresUrl,
      KAFKA_BROKERS: services().kafkaBrokers,
      SCHEMA_REGISTRY_URL: services().registryUrl,
      REDIS_URL: services().redisUrl,
      ELASTICSEARCH_URL: services().elasticsearchUrl,
      ...extra,
    });

  beforeAll(async () => {
    connect = await kafkaConnect();
    databases = temporaryDatabases('connect');
    config = configure({
      KAFKA_CONNECT_URL: connect.url,
      KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE: connect.passwordReference,
      CAPTURE_SCAN: 'debezium',
    });
    password = decodeURIComponent(new URL(services().postgresUrl).password);
    driver = createKafkaJsDriver({ brokers: config.kafka.brokers, clientId: 'test-connectors', logger: SILENT_LOGGER });
    admin = driver.admin();
    for (const { name } of pipeline.domains) {
      await migrateDomain({ databaseUrl: databases.url(name), domain: name, logger: SILENT_LOGGER });
      await ensureCaptureSource(captureSource(name, databases.url(name), config.names));
    }
    await admin.ensureTopics(topicsOf(pipeline, config.names, 1));
    sql = new pg.Client({ connectionString: databases.url('auth') });
    await sql.connect();
    await sql.query(`INSERT INTO auth.users VALUES ('early', 'kakao', NULL, now())`);
    await withSqlSession(databases.url('scan'), async (scanSql) => writeCaptureOwner(scanSql, 'scan', 'debezium'));
    first = (await applyConnectors(pipeline, config, admin)).changes;
    topics = await readTopics(driver, config.names.processorGroup('test'), [
      config.names.tableTopic('auth', 'users'),
      config.names.tableTopic('auth', 'social_accounts'),
    ]);
  }, 240_000);

  afterAll(async () => {
    await topics.stop();
    for (const connector of declaredConnectors(pipeline, config)) await deleteConnector(connect.rest, connector, config);
    await sql.end();
    await admin.deleteTopics((await admin.listTopics()).filter((topic) => topic.startsWith(`${databases.namespace}.`)));
    await admin.stop();
    await databases.dropAll();
  }, 120_000);

  it('topics, publications and connectors of whole tables, and the outbox connector of a domain that Debezium captures', async () => {
    const names = (await connect.rest.connectors()).filter((name) => name.startsWith(`${databases.namespace}-`)).sort();
    expect(names).toEqual(['auth-cdc-connector', 'scan-cdc-connector', 'scan-connector'].map((name) => `${databases.namespace}-${name}`));
    expect(first.filter((change) => change.includes('REPLICA') || change.includes('log whole old rows'))).toHaveLength(3);
    expect(await admin.listTopics()).toContain(config.names.tableTopic('auth', 'login_audits'));
    await eventually(
      async () => {
        const shown = await showConnectors(connect.rest, declaredConnectors(pipeline, config));
        return shown.length === 3 && shown.every(({ verdict }) => verdict === 'ok');
      },
      { timeoutMs: 120_000, everyMs: 200 },
    );
  });

  it('nothing the second time', async () => {
    expect(await applyConnectors(pipeline, config, admin)).toEqual({ changes: [], leftOut: [] });
  });

  it('no configuration that holds the password, and yet Connect logs in with it', async () => {
    expect(password.length).toBeGreaterThan(8);
    for (const { name } of declaredConnectors(pipeline, config)) {
      const registered = await connect.rest.config(name);
      if (registered === undefined) continue;
      expect(registered['database.password']).toBe(connect.passwordReference);
      expect(JSON.stringify(registered)).not.toContain(password);
    }
    expect(first.join('\n')).not.toContain(password);
  });

  it('a record for every row and change, keyed by the declared column, a delete included', async () => {
    await sql.query(`INSERT INTO auth.user_social_accounts VALUES ('kakao', 'hash', 'user-ü', now())`);
    await sql.query(`UPDATE auth.user_social_accounts SET linked_at = now()`);
    await sql.query(`DELETE FROM auth.user_social_accounts`);
    const accounts = await eventually(
      () => {
        const found = topics.of(config.names.tableTopic('auth', 'social_accounts'));
        return found.length >= 3 && found;
      },
      { timeoutMs: 120_000 },
    );
    expect(accounts.map(({ key }) => utf8Text(key!))).toEqual(['user-ü', 'user-ü', 'user-ü']);
    expect(accounts.map(({ value }) => (JSON.parse(utf8Text(value!)) as { op: string }).op)).toEqual(['c', 'u', 'd']);
    const [early] = topics.of(config.names.tableTopic('auth', 'users'));
    expect(utf8Text(early!.key!)).toBe('early');
    expect(JSON.parse(utf8Text(early!.value!)) as JsonObject).toMatchObject({ op: 'r', after: { user_id: 'early', provider: 'kakao' } });
  });

  it('a deleted table connector leaves no slot behind, and comes back with every row', async () => {
    const connector = declaredConnectors(pipeline, config).find(({ name }) => name === config.names.tableConnector('auth'))!;
    await deleteConnector(connect.rest, connector, config);
    const slots = await sql.query('SELECT 1 FROM pg_replication_slots WHERE slot_name = $1', [config.names.tableSlot('auth')]);
    expect(slots.rows).toEqual([]);
    const again = await applyConnectors(pipeline, config, admin);
    expect(again.changes).toEqual([`connector ${connector.name}: registered`]);
    await eventually(() => topics.of(config.names.tableTopic('auth', 'users')).length >= 2, { timeoutMs: 120_000 });
  });

  it('no outbox connector while the slot is the relay’s, and says what moves it', async () => {
    await withSqlSession(databases.url('scan'), async (scanSql) => writeCaptureOwner(scanSql, 'scan', 'relay'));
    const { changes, leftOut } = await applyConnectors(pipeline, config, admin);
    expect(changes).toEqual([]);
    expect(leftOut).toEqual([expect.stringContaining('millrace slot handover --domain scan --to debezium')]);
  });

  it('and without a Connect it says what is left out, and makes nothing', async () => {
    const outcome = await applyConnectors(pipeline, configure({}), admin);
    expect(outcome.changes).toEqual([]);
    expect(outcome.leftOut).toEqual([expect.stringMatching(/^cdc\.\* topics are left out: KAFKA_CONNECT_URL is not set/)]);
    expect(outcome.leftOut[0]).toContain(config.names.tableTopic('scan', 'records'));
  });
});
