import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { eventRoute } from '../../core/names.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { temporaryDatabases } from '../../test/support/temporary-databases.ts';
import type { Database } from './database.ts';
import { createDatabase } from './database.ts';
import { migrateDomain } from './migrate.ts';
import { ensureOutboxPartitions, partitionName } from './outbox-partitions.ts';
import { seedTable } from './seed-table.ts';

const databases = temporaryDatabases('mig');
const open: Database[] = [];
let folder: string;

const migrate = (domain: string, options: Partial<Parameters<typeof migrateDomain>[0]> = {}) =>
  migrateDomain({ databaseUrl: databases.url(domain), domain, logger: SILENT_LOGGER, ...options });

function connect(domain: string): Database {
  const database = createDatabase({ url: databases.url(domain), domain, poolMax: 2, logger: SILENT_LOGGER });
  open.push(database);
  return database;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-migrations-'));
});
afterAll(async () => {
  await Promise.all(open.map((database) => database.stop()));
  await databases.dropAll();
  await rm(folder, { recursive: true, force: true });
});

describe('migrating a domain', () => {
  it.each([
    ['auth', 'domain'],
    ['image', 'domain'],
    ['scan', 'domain'],
    ['character', 'domain'],
    ['my', 'domain'],
    ['chat', 'domain'],
    ['notification', 'domain'],
    ['millrace', 'platform'],
  ] as const)('makes the database of %s, says what it did, and changes nothing the second time', async (domain, kind) => {
    const changes = await migrate(domain, { kind });
    expect(changes[0]).toBe(`${domain}: created database ${databases.namespace}_${domain}`);
    expect(changes.some((change) => change.startsWith(`${domain}: applied ${domain}/0001_`))).toBe(true);
    expect(changes.filter((change) => change.includes('made outbox partition'))).toHaveLength(kind === 'domain' ? 8 : 0);
    expect(await migrate(domain, { kind })).toEqual([]);
  });

  it('is safe when several processes do it at once: each change is made once', async () => {
    const all = await Promise.all(Array.from({ length: 4 }, () => migrate('together', { daysAhead: 2 })));
    const changes = all.flat();
    expect(new Set(changes).size).toBe(changes.length);
    expect(changes.filter((change) => change.includes('made outbox partition'))).toHaveLength(3);
  });

  it('makes nothing in a database that its check refuses', async () => {
    const check = async (): Promise<void> => Promise.reject(new ClassifiedError('CONFIGURATION_INVALID', 'not here'));
    await expect(migrate('refused', { check })).rejects.toThrow('not here');
    expect(await connect('refused').query("SELECT to_regnamespace('refused')::text AS space")).toEqual([{ space: null }]);
  });

  it('refuses a file that was changed after it had been applied, and one that is gone', async () => {
    await writeFile(join(folder, '0001_first.sql'), 'CREATE TABLE first (id int);');
    await migrate('changed', { stateFolder: folder });
    await appendFile(join(folder, '0001_first.sql'), '\n-- later');
    await expect(migrate('changed', { stateFolder: folder })).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringContaining('changed/0001_first.sql was changed after it had been applied') as unknown,
    });
    await rm(join(folder, '0001_first.sql'));
    await expect(migrate('changed', { stateFolder: folder })).rejects.toThrow('changed/0001_first.sql was applied and is no longer there');
  });

  it('leaves nothing of a failing file, nor of the files of the same run, and names the file', async () => {
    await writeFile(join(folder, '0001_good.sql'), 'CREATE TABLE good (id int);');
    await writeFile(join(folder, '0002_bad.sql'), 'CREATE TABLE bad (id nonsense);');
    await expect(migrate('failing', { stateFolder: folder })).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(/migration failing\/0002_bad\.sql failed: SQLSTATE 42704.*nonsense/) as unknown,
    });
    expect(
      await connect('failing').query("SELECT to_regclass('failing.good')::text AS good, to_regnamespace('failing')::text AS space"),
    ).toEqual([{ good: null, space: null }]);
    await rm(join(folder, '0002_bad.sql'));
    expect(await migrate('failing', { stateFolder: folder })).toContain('failing: applied failing/0001_good.sql');
  });

  it('says what to do when the database is missing and may not be created', async () => {
    const role = `${databases.namespace}_poor`;
    await databases.admin(`CREATE ROLE "${role}" LOGIN PASSWORD 'poor'`);
    try {
      const databaseUrl = new URL(databases.url('poor'));
      databaseUrl.username = role;
      databaseUrl.password = 'poor';
      await expect(migrate('poor', { databaseUrl: databaseUrl.href })).rejects.toMatchObject({
        code: 'CONFIGURATION_INVALID',
        message: expect.stringContaining('this role may not create it') as unknown,
      });
    } finally {
      await databases.admin(`DROP ROLE "${role}"`);
    }
  });

  it('says POSTGRES_UNAVAILABLE when nothing listens', async () => {
    await expect(migrate('away', { databaseUrl: 'postgres://u@127.0.0.1:1/away' })).rejects.toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
  });
});

describe('the outbox of any writer', () => {
  let database: Database;
  beforeAll(async () => {
    await migrate('shop');
    database = connect('shop');
  });

  const insert = (columns: Record<string, unknown>) => {
    const row = {
      id: crypto.randomUUID(),
      aggregatetype: 'shop',
      aggregateid: 'user-1',
      type: 'OrderPlaced',
      payload: '{}',
      trace_id: 't1',
      ...columns,
    };
    const names = Object.keys(row);
    return database.query<{ topic: string; stream_id: string; version: bigint; id: string; partition: string }>(
      `INSERT INTO shop.outbox (${names.join(', ')}) VALUES (${names.map((_, index) => `$${index + 1}`).join(', ')})
       RETURNING id, topic, stream_id, version, tableoid::regclass::text AS partition`,
      Object.values(row),
    );
  };

  it('fills topic, stream and version where the writer left them out', async () => {
    const [row] = await insert({});
    expect(row).toMatchObject({ topic: 'shop.order_placed', stream_id: row?.id, version: 1n });
  });

  it('takes stream and version from the events row of the same id', async () => {
    const id = crypto.randomUUID();
    await database.execute(
      `INSERT INTO shop.events (event_id, aggregate_type, aggregate_id, sequence_number, event_type, payload) VALUES ($1, 'order', 'o1', 7, 'OrderPlaced', '{}')`,
      [id],
    );
    expect((await insert({ id }))[0]).toMatchObject({ stream_id: 'o1', version: 7n });
  });

  it('keeps what the writer gave', async () => {
    const [row] = await insert({ topic: 'other.topic', stream_id: 's', version: 3 });
    expect(row).toMatchObject({ topic: 'other.topic', stream_id: 's', version: 3n });
  });

  it('works for a writer with another search path', async () => {
    const [row] = await database.transaction(async (session) => {
      await session.execute('SET LOCAL search_path TO pg_catalog');
      return session.query<{ topic: string }>(
        `INSERT INTO shop.outbox (id, aggregatetype, aggregateid, type, payload, trace_id)
         VALUES (gen_random_uuid(), 'shop', 'u', 'ShopOpened', '{}', 't') RETURNING topic`,
      );
    });
    expect(row?.topic).toBe('shop.opened');
  });

  it('goes into the partition of today', async () => {
    const [row] = await insert({});
    const [today] = await database.query<{ day: string }>("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day");
    expect(row?.partition).toBe(`shop.${partitionName(today?.day ?? '')}`);
  });

  it.each([
    ['a payload of over 900,000 bytes', { payload: JSON.stringify({ text: 'x'.repeat(900_000) }) }, 'RECORD_TOO_LARGE'],
    ['a payload that is no object', { payload: '[]' }, 'STATE_INVALID'],
    ['an empty key', { aggregateid: '' }, 'STATE_INVALID'],
    ['no trace', { trace_id: null }, 'STATE_INVALID'],
    ['a stream without a version', { stream_id: 's' }, 'STATE_INVALID'],
    ['a topic that Kafka would refuse', { topic: 'a b' }, 'STATE_INVALID'],
  ])('refuses %s at the insert', async (_, columns, code) => {
    await expect(insert(columns)).rejects.toMatchObject({ code });
  });

  it.each([
    'UPDATE shop.outbox SET type = type',
    'DELETE FROM shop.outbox',
    'TRUNCATE shop.outbox',
    'TRUNCATE shop.outbox_default',
    `TRUNCATE shop.outbox_p${new Date().toISOString().slice(0, 10).replaceAll('-', '')}`,
    'UPDATE shop.events SET event_type = event_type',
    'DELETE FROM shop.events',
    'TRUNCATE shop.events',
  ])('is append-only: %s', async (statement) => {
    await insert({});
    await database.execute(
      `INSERT INTO shop.events (event_id, aggregate_type, aggregate_id, sequence_number, event_type, payload) VALUES (gen_random_uuid(), 'order', gen_random_uuid(), 1, 'X', '{}')`,
    );
    await expect(database.execute(statement)).rejects.toMatchObject({ code: 'STATE_INVALID' });
  });

  it('routes every name as the pipeline does', async () => {
    const pieces = ['a', 'B', 'C', '1', '_', 'shop_', 'Shop', 'ID', 'Http', 'x'];
    // Every name of up to four pieces.
    let types = pieces;
    for (let length = 2; length <= 4; length += 1) types = [...pieces, ...types.flatMap((type) => pieces.map((piece) => type + piece))];
    const rows = await database.query<{ type: string; route: string }>(
      "SELECT type, shop.event_route('shop', type) AS route FROM unnest($1::text[]) AS type",
      [types],
    );
    expect(rows.filter((row) => row.route !== eventRoute('shop', row.type))).toEqual([]);
    expect(new Set(rows.map((row) => row.route)).size).toBeGreaterThan(1_000);
  });
});

describe('outbox partitions', () => {
  it('are skipped for a day of which rows are in the default partition, and the rows stay', async () => {
    await migrate('late', { daysAhead: 0 });
    const database = connect('late');
    await database.execute(
      `INSERT INTO late.outbox (id, aggregatetype, aggregateid, type, payload, trace_id, created_at)
       VALUES (gen_random_uuid(), 'late', 'u', 'LateHappened', '{}', 't', now() + interval '1 day')`,
    );
    const first = await ensureOutboxPartitions(database, 'late', { daysAhead: 3 });
    expect([first.made.length, first.skipped.length]).toEqual([2, 1]);
    expect(first.skipped[0]?.reason).toContain('the default partition holds rows of');
    expect(await ensureOutboxPartitions(database, 'late', { daysAhead: 3 })).toEqual({ made: [], skipped: first.skipped });
    expect(await database.query('SELECT count(*)::int AS rows FROM late.outbox_default')).toEqual([{ rows: 1 }]);
  });

  it('are made while a writer has rows of another day uncommitted, and refuse changes as the table does', async () => {
    await migrate('busy', { daysAhead: 0 });
    const database = connect('busy');
    const insert = (day: string) =>
      `INSERT INTO busy.outbox (id, aggregatetype, aggregateid, type, payload, trace_id, created_at)
       VALUES (gen_random_uuid(), 'busy', 'u', 'BusyHappened', '{}', 't', now() + interval '${day}')`;
    await database.transaction(async (session) => {
      await session.execute(insert('0 days'));
      expect((await ensureOutboxPartitions(database, 'busy', { daysAhead: 2 })).made).toHaveLength(2);
    });
    await database.execute(insert('1 day'));
    const [row] = await database.query<{ partition: string }>(
      "SELECT tableoid::regclass::text AS partition FROM busy.outbox WHERE created_at > now() + interval '12 hours'",
    );
    expect(row?.partition).toMatch(/^busy\.outbox_p\d{8}$/);
    await expect(database.execute(`DELETE FROM ${row?.partition ?? ''}`)).rejects.toMatchObject({ code: 'STATE_INVALID' });
  });
});

describe('seeding a table', () => {
  it('makes and corrects rows, leaves others alone, and changes nothing the second time', async () => {
    await migrate('character', { daysAhead: 0 });
    const database = connect('character');
    const petri = { character_id: 'c1', name: 'Petri', category: 'pet-bottle', description: 'd' };
    const papy = { character_id: 'c2', name: 'Papy', category: 'paper', description: null };
    const seed = { table: 'characters', key: ['character_id'], rows: [petri, papy] };
    expect(await seedTable(database, seed)).toEqual(['character: seeded characters c1', 'character: seeded characters c2']);
    expect(await seedTable(database, seed)).toEqual([]);
    await database.execute("INSERT INTO character.characters VALUES ('c3', 'Own', 'own', NULL)");
    expect(await seedTable(database, { ...seed, rows: [petri, { ...papy, name: 'Papi' }] })).toEqual(['character: seeded characters c2']);
    expect(await database.query('SELECT name FROM character.characters ORDER BY character_id')).toEqual([
      { name: 'Petri' },
      { name: 'Papi' },
      { name: 'Own' },
    ]);
  });
});
