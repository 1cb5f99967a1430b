import type { AddressInfo, Socket } from 'node:net';
import { createConnection, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../core/log.ts';
import { describeFully } from '../../test/support/describe-fully.ts';
import { temporaryDatabases } from '../../test/support/temporary-databases.ts';
import type { Database, DatabaseOptions } from './database.ts';
import { createDatabase } from './database.ts';

const databases = temporaryDatabases('db');
const url = databases.url('raw');
const open: Database[] = [];

function connect(options: Partial<DatabaseOptions> = {}): Database {
  const database = createDatabase({ url, domain: 'raw', logger: SILENT_LOGGER, ...options });
  open.push(database);
  return database;
}

beforeAll(() => databases.admin(`CREATE DATABASE "${databases.namespace}_raw"`));
afterAll(async () => {
  await Promise.all(open.map((database) => database.stop()));
  await databases.dropAll();
});

describe('a database', () => {
  it('gives bigint as bigint, timestamps as ISO text with microseconds in UTC, jsonb parsed', async () => {
    const rows = await connect().query(
      `SELECT 9007199254740993::bigint AS big, '2025-11-21 09:12:00.000001+09'::timestamptz AS at, '{"a": [1]}'::jsonb AS doc,
              1.10::numeric AS price, DATE '2025-11-21' AS day, NULL::bigint AS nothing`,
    );
    expect(rows).toEqual([
      { big: 9007199254740993n, at: '2025-11-21T00:12:00.000001Z', doc: { a: [1] }, price: '1.10', day: '2025-11-21', nothing: null },
    ]);
  });

  it('rolls a transaction back when its work throws, and throws that on', async () => {
    const database = connect();
    await database.execute('CREATE TABLE rolled (id int)');
    const thrown = new Error('mine');
    const run = database.transaction(async (session) => {
      await session.execute('INSERT INTO rolled VALUES (1)');
      throw thrown;
    });
    await expect(run).rejects.toBe(thrown);
    expect(await database.query('SELECT * FROM rolled')).toEqual([]);
  });

  it('refuses statements of a transaction that has ended', async () => {
    const database = connect();
    const session = await database.transaction(async (inner) => inner);
    await expect(session.query('SELECT 1')).rejects.toThrow('the transaction has ended');
  });

  it('says POSTGRES_UNAVAILABLE without waiting for the connect timeout when nothing listens', async () => {
    const database = connect({ url: 'postgres://user:hidden-password@127.0.0.1:1/raw', connectTimeoutMs: 3_600_000 });
    const error: unknown = await database.query('SELECT 1').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
    expect(JSON.stringify(describeFully(error))).not.toContain('hidden-password');
  });

  it('says POSTGRES_UNAVAILABLE within the connect timeout when the other side never answers', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const port = (silent.address() as AddressInfo).port;
    try {
      const database = connect({ url: `postgres://user@127.0.0.1:${port}/raw`, connectTimeoutMs: 200 });
      await expect(database.transaction(async () => undefined)).rejects.toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
    } finally {
      silent.close();
    }
  });

  it('gives up a connection that has gone silent, and does not use it again', async () => {
    const server = new URL(url);
    const line = await silenceableLine(server.hostname, Number(server.port));
    server.host = `127.0.0.1:${line.port}`;
    const database = connect({ url: server.href, poolMax: 1, statementTimeoutMs: 100, silenceMarginMs: 200 });
    try {
      // On that line nothing comes any more: whoever does not give up waits for ever.
      const run = database.transaction(async (session) => {
        await session.query('SELECT 1');
        line.silence();
        await session.query('SELECT 2');
      });
      await expect(run).rejects.toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
      line.restore();
      expect(await database.query('SELECT 3 AS three')).toEqual([{ three: 3 }]);
    } finally {
      await database.stop();
      line.close();
    }
  });

  it('says POSTGRES_UNAVAILABLE when every connection stays busy', async () => {
    const database = connect({ poolMax: 1, connectTimeoutMs: 200 });
    await database.transaction(async () => {
      await expect(database.query('SELECT 1')).rejects.toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
    });
    expect(await database.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('replaces a connection whose kept plan no longer fits its table', async () => {
    const database = connect({ poolMax: 1 });
    await database.execute('CREATE TABLE planned (id int)');
    await database.prepared('SELECT * FROM planned WHERE id = $1', [1]);
    await database.execute('ALTER TABLE planned ADD COLUMN name text DEFAULT $$new$$');
    await database.execute('INSERT INTO planned VALUES (1)');
    await expect(database.prepared('SELECT * FROM planned WHERE id = $1', [1])).rejects.toMatchObject({ code: 'POSTGRES_SERIALIZATION' });
    expect(await database.prepared('SELECT * FROM planned WHERE id = $1', [1])).toEqual([{ id: 1, name: 'new' }]);
  });

  it('keeps plans for a bounded number of statements, and for none behind a pooler', async () => {
    const plans = async (database: Database): Promise<number> => {
      for (let index = 0; index < 150; index += 1) await database.prepared(`SELECT $1::int + ${index}`, [1]);
      return (await database.query<{ plans: number }>('SELECT count(*)::int AS plans FROM pg_prepared_statements'))[0]?.plans ?? -1;
    };
    expect(await plans(connect({ poolMax: 1 }))).toBe(100);
    expect(await plans(connect({ poolMax: 1, preparedStatements: false }))).toBe(0);
  });

  it('cancels a statement that takes too long, and keeps the connection', async () => {
    const database = connect({ poolMax: 1, statementTimeoutMs: 100 });
    const [before] = await database.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await expect(database.query('SELECT pg_sleep(30)')).rejects.toMatchObject({ code: 'HANDLER_TIMEOUT' });
    expect(await database.query('SELECT pg_backend_pid() AS pid')).toEqual([before]);
  });

  it('survives connections that the server ends, idle and in a transaction', async () => {
    const database = connect({ poolMax: 2 });
    const terminator = connect({ poolMax: 1 });
    const pidOf = async (): Promise<number> => (await database.query<{ pid: number }>('SELECT pg_backend_pid() AS pid'))[0]?.pid ?? 0;
    const kill = (pid: number) => terminator.query('SELECT pg_terminate_backend($1, 5000)', [pid]);

    const idle = await pidOf();
    await kill(idle);
    expect(await pidOf()).not.toBe(idle);

    const inside = database.transaction(async (session) => {
      const [row] = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await kill(row?.pid ?? 0);
      await session.query('SELECT 1');
    });
    await expect(inside).rejects.toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
    expect(await database.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('stops softly after the transactions in hand, twice without harm, and serves no more', async () => {
    const database = connect();
    let started: () => void = () => undefined;
    const running = new Promise<void>((resolve) => (started = resolve));
    const work = database.transaction(async (session) => {
      started();
      return session.query('SELECT 7 AS answer, pg_sleep(0.1)::text');
    });
    await running;
    await Promise.all([database.stop(), database.stop()]);
    expect((await work)[0]).toMatchObject({ answer: 7 });
    await expect(database.query('SELECT 1')).rejects.toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
  });

  it('cuts what still runs when it must stop at once', async () => {
    const database = connect();
    let started: () => void = () => undefined;
    const running = new Promise<void>((resolve) => (started = resolve));
    const work = database.transaction(async (session) => {
      started();
      await session.query('SELECT pg_sleep(30)');
    });
    const outcome = work.catch((error: unknown) => error);
    await running;
    await database.stop(AbortSignal.timeout(100));
    // It would succeed if it were waited for.
    expect(await outcome).toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
  });
});

/** A line to the server on which nothing arrives any more once it is silenced, as when a cable is pulled; new connections work. */
async function silenceableLine(host: string, port: number) {
  const sockets = new Set<Socket>();
  let silent = false;
  const server = createServer((near) => {
    const far = createConnection({ host, port });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.on('data', (bytes) => {
        if (!silent) to.write(bytes);
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    silence: () => (silent = true),
    restore: () => (silent = false),
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
