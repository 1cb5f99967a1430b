import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { captureSource } from '../../connectors/outbox/relay.ts';
import { ensureCaptureSource } from '../../connectors/replication/capture-source.ts';
import { dropSlot, ensureSlot } from '../../connectors/replication/slot.ts';
import { withSqlSession } from '../../connectors/replication/sql-session.ts';
import { readServerWal } from '../../connectors/replication/wal-facts.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { Names } from '../../core/names.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { OwnPostgres } from '../../test/support/own-postgres.ts';
import { startOwnPostgres } from '../../test/support/own-postgres.ts';
import { relayUnderTest } from '../../test/support/relay-under-test.ts';
import { systemClock } from '../../test/support/system-clock.ts';
import { applyRoles } from './apply-roles.ts';
import { createDatabase } from './database.ts';
import { grantRights } from './grant-rights.ts';
import { sweepInboxStatement } from './inbox-horizon.ts';
import { migrateDomain } from './migrate.ts';
import { retireOutboxPartitions } from './outbox-retirement.ts';
import type { RolePlan } from './role-plan.ts';
import { planRoles } from './role-plan.ts';

const NEVER = new AbortController().signal;
const PASSWORD = 'of-a-test';
const names = new Names();
const plan = (domain: string): RolePlan =>
  planRoles({ domain, database: domain, publication: names.publication(domain), rolePrefix: 'least' });
const image = plan('image');
const scan = plan('scan');
const notification = planRoles({ domain: 'notification', database: 'notification', publication: undefined, rolePrefix: 'least' });
const [owner, app, capture] = [image.roles.owner, image.roles.app, image.roles.capture ?? ''];

/** Its own server: access rules and roles are of the whole server. */
let server: OwnPostgres;
const clients: pg.Client[] = [];

const urlOf = (role: string, database = 'image'): string => {
  const url = new URL(`${server.url}/${database}`);
  [url.username, url.password] = [role, PASSWORD];
  return url.href;
};
const connect = async (role: string, database = 'image', more: object = {}): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: urlOf(role, database), ...more });
  client.on('error', () => undefined);
  await client.connect();
  clients.push(client);
  return client;
};
const refusal = (client: pg.Client, sql: string): Promise<string> =>
  client.query(sql).then(
    () => 'done',
    (error: unknown) => (error as { readonly code?: string }).code ?? 'no code',
  );
const INSERT = `INSERT INTO image.outbox (id, aggregatetype, aggregateid, type, payload, trace_id)
  VALUES ('${randomUUID()}', 'image', 'user-1', 'ImageRegistered', '{}', 'trace')`;
const NO_PRIVILEGE = '42501';

beforeAll(async () => {
  server = await startOwnPostgres();
  await applyRoles(server.url, [image, scan, notification], SILENT_LOGGER);
  for (const { roles } of [image, scan, notification]) {
    for (const role of [roles.owner, roles.app, ...(roles.capture === undefined ? [] : [roles.capture])])
      await server.admin(`ALTER ROLE "${role}" PASSWORD '${PASSWORD}'`);
  }
  const admin = new URL(server.url).username;
  // What `init` advises, on this machine's own address; and not one line for `replication`.
  await server.allow(
    [
      `host all ${admin} 127.0.0.1/32 scram-sha-256`,
      ...[image, scan, notification].map((each) => `host ${each.database} all 127.0.0.1/32 scram-sha-256`),
      '',
    ].join('\n'),
  );
  await migrateDomain({ databaseUrl: urlOf(owner), domain: 'image', logger: SILENT_LOGGER });
  await migrateDomain({ databaseUrl: urlOf(notification.roles.owner, 'notification'), domain: 'notification', logger: SILENT_LOGGER });
  await applyRoles(server.url, [image, scan, notification], SILENT_LOGGER);
  await ensureCaptureSource(captureSource('image', urlOf(capture), names), urlOf(owner));
}, 300_000);
afterAll(async () => {
  for (const client of clients) await client.end();
  await server.stop();
});

describe('the roles that init makes', () => {
  it('change nothing the second time', async () => {
    expect(await applyRoles(server.url, [image, scan], SILENT_LOGGER)).toEqual([]);
  });

  it('get their rights on new tables by the apply that made them, once, or are named with the command when they are gone', async () => {
    await migrateDomain({ databaseUrl: urlOf(scan.roles.owner, 'scan'), domain: 'scan', logger: SILENT_LOGGER });
    const database = createDatabase({
      url: urlOf(scan.roles.owner, 'scan'),
      domain: 'scan',
      poolMax: 1,
      applicationName: 'rights-test',
      logger: SILENT_LOGGER,
    });
    const of = { domain: 'scan', publication: names.publication('scan'), tables: ['snapshots'] };
    try {
      const writer = await connect(scan.roles.app, 'scan');
      expect(await refusal(writer, 'SELECT * FROM scan.events')).toBe(NO_PRIVILEGE);
      const { changes, leftOut } = await grantRights(database, of);
      expect(leftOut).toEqual([]);
      expect(changes).toEqual([
        expect.stringMatching(/^scan: granted least_scan_app and least_scan_capture their rights on .*events.*outbox/),
      ]);
      expect(await refusal(writer, 'SELECT * FROM scan.events')).toBe('done');
      expect(await refusal(writer, 'SELECT * FROM scan.outbox')).toBe(NO_PRIVILEGE);
      const reader = await connect(scan.roles.capture ?? '', 'scan');
      for (const table of ['outbox', 'snapshots']) {
        expect(await refusal(reader, `SELECT * FROM scan.${table}`)).toBe('done');
        expect(await refusal(reader, `DELETE FROM scan.${table}`)).toBe(NO_PRIVILEGE);
      }
      expect(await refusal(reader, 'SELECT * FROM scan.processed_events')).toBe(NO_PRIVILEGE);
      expect(await grantRights(database, of)).toEqual({ changes: [], leftOut: [] });

      // As a database is that was made before the app role's rights were limited so far.
      await server.admin(`GRANT UPDATE, DELETE ON scan.capture_owner TO "${scan.roles.app}"`, 'scan');
      expect((await grantRights(database, of)).changes).toEqual([expect.stringMatching(/their rights on capture_owner$/)]);
      expect(await refusal(writer, 'DELETE FROM scan.capture_owner')).toBe(NO_PRIVILEGE);
      expect(await grantRights(database, of)).toEqual({ changes: [], leftOut: [] });

      await server.admin(`ALTER ROLE "${scan.roles.app}" RENAME TO elsewhere`);
      expect((await grantRights(database, of)).leftOut).toEqual([
        expect.stringContaining('run `millrace init --domain scan --role-prefix least --apply --admin-url <administrator>`'),
      ]);
      await server.admin(`ALTER ROLE elsewhere RENAME TO "${scan.roles.app}"`);
    } finally {
      await database.stop();
    }
  });

  it('let the relay capture what the app role writes, without a replication line in pg_hba.conf', async () => {
    const relay = relayUnderTest({ domain: 'image', url: urlOf(capture), names });
    await relay.start(NEVER);
    const writer = await connect(app);
    await writer.query(INSERT);
    await eventually(() => relay.producer.acknowledged.length === 1);
    await relay.stop(NEVER);
  });

  it('let the capture role drop a slot that it is done with, which the owner of the tables may not', async () => {
    await withSqlSession(urlOf(capture), async (sql) => ensureSlot(sql, 'done_with'));
    await expect(withSqlSession(urlOf(owner), async (sql) => dropSlot(sql, 'done_with', systemClock))).rejects.toThrow();
    await withSqlSession(urlOf(capture), async (sql) => dropSlot(sql, 'done_with', systemClock));
    expect((await withSqlSession(urlOf(capture), readServerWal)).slots).toHaveLength(1);
  });

  it('let the capture role look at the outbox and at the log, and at nothing else', async () => {
    const client = await connect(capture);
    expect((await client.query<{ rows: number }>('SELECT count(*)::int AS rows FROM image.outbox')).rows[0]?.rows).toBe(1);
    expect((await withSqlSession(urlOf(capture), readServerWal)).slots).toHaveLength(1);
    for (const sql of [
      'SELECT * FROM image.events',
      'SELECT * FROM image.processed_events',
      'SELECT * FROM image.outbox_default',
      INSERT,
      'DELETE FROM image.outbox',
      'UPDATE image.outbox SET version = 2',
      'TRUNCATE image.outbox',
      'DROP TABLE image.outbox',
      'CREATE TABLE image.mine (a int)',
      'CREATE TABLE public.mine (a int)',
      'CREATE TEMP TABLE mine (a int)',
      'CREATE SCHEMA mine',
      'CREATE PUBLICATION mine FOR TABLE image.outbox',
      'CREATE ROLE mine',
      "COPY image.outbox TO PROGRAM 'cat'",
      `SET ROLE "${owner}"`,
    ]) {
      expect(await refusal(client, sql), sql).toBe(NO_PRIVILEGE);
    }
  });

  it('keep the capture role out of other databases and from copying the server', async () => {
    await expect(connect(capture, 'scan')).rejects.toMatchObject({ code: NO_PRIVILEGE });
    await expect(connect(capture, 'postgres')).rejects.toMatchObject({ code: '28000' });
    await expect(connect(capture, 'image', { replication: 'true' })).rejects.toMatchObject({ code: '28000' });
  });

  it('let the app role write rows, and only insert into outbox and events', async () => {
    const client = await connect(app);
    await client.query(`INSERT INTO image.processed_events (idempotency_key, domain) VALUES ('a', 'image')`);
    await client.query('UPDATE image.processed_events SET result = NULL');
    await client.query('DELETE FROM image.processed_events');
    await client.query(
      `INSERT INTO image.events (event_id, aggregate_type, aggregate_id, sequence_number, event_type, payload)
       VALUES (gen_random_uuid(), 'image', 'i', 1, 'ImageRegistered', '{}')`,
    );
    for (const sql of [
      'SELECT * FROM image.outbox',
      'DELETE FROM image.outbox',
      'UPDATE image.outbox SET version = 2',
      'DELETE FROM image.outbox_default',
      'DELETE FROM image.events',
      'TRUNCATE image.events',
      'DELETE FROM image.outbox_barriers',
      "INSERT INTO image.capture_owner (owner) VALUES ('debezium')",
      'DELETE FROM image.capture_owner',
      "UPDATE image.capture_sources SET publication = 'another'",
      'DELETE FROM image.capture_sources',
      "UPDATE image.inbox_horizon SET forgotten_to = '-infinity'",
      'DELETE FROM image.inbox_horizon',
      'CREATE TABLE image.mine (a int)',
      'CREATE TEMP TABLE mine (a int)',
      `SELECT pg_create_logical_replication_slot('mine', 'pgoutput')`,
    ]) {
      expect(await refusal(client, sql), sql).toBe(NO_PRIVILEGE);
    }
  });

  it('let the app role sweep the inbox of a domain that nothing captures, and note what it forgot', async () => {
    const writer = await connect(notification.roles.app, 'notification');
    await writer.query(
      `INSERT INTO notification.processed_events (idempotency_key, domain, expires_at) VALUES ('old', 'notification', now() - interval '1 day')`,
    );
    expect((await writer.query(sweepInboxStatement('notification'), [10])).rows).toEqual([{ swept: '1' }]);
    expect(await refusal(writer, 'DELETE FROM notification.inbox_horizon')).toBe(NO_PRIVILEGE);
  });

  it('let the owner, who is no superuser, drop old partitions, and a late row of the app role keep them', async () => {
    const database = createDatabase({ url: urlOf(owner), domain: 'image', poolMax: 2, logger: SILENT_LOGGER });
    try {
      await database.execute(
        `CREATE TABLE image.outbox_p20200101 PARTITION OF image.outbox FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-01-02 00:00+00')`,
      );
      const options = { slot: names.slot('image'), retentionDays: 31, partitionsMax: 10, keptBecause: () => undefined };
      expect((await retireOutboxPartitions(database, 'image', options)).sealed).toEqual(['outbox_p20200101']);
      const writer = await connect(app);
      await writer.query(
        `INSERT INTO image.outbox (id, aggregatetype, aggregateid, type, payload, trace_id, created_at)
         VALUES (gen_random_uuid(), 'image', 'user-1', 'ImageRegistered', '{}', 'trace', '2020-01-01 12:00+00')`,
      );
      expect((await retireOutboxPartitions(database, 'image', options)).sealed).toEqual(['outbox_p20200101']);
      await server.admin(`SELECT pg_replication_slot_advance('${options.slot}', pg_current_wal_lsn())`, 'image');
      expect((await retireOutboxPartitions(database, 'image', options)).dropped).toEqual(['outbox_p20200101']);
    } finally {
      await database.stop();
    }
  });
});
