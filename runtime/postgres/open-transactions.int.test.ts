import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { OwnPostgres } from '../../test/support/own-postgres.ts';
import { startOwnPostgres } from '../../test/support/own-postgres.ts';
import type { Database } from './database.ts';
import { createDatabase } from './database.ts';
import { OpenTransactionsWatch } from './open-transactions.ts';

/** Its own server: the suite's may not prepare transactions. */
let server: OwnPostgres;
let database: Database;

beforeAll(async () => {
  server = await startOwnPostgres();
  database = createDatabase({ url: `${server.url}/postgres`, domain: 'image', poolMax: 1, logger: SILENT_LOGGER });
}, 120_000);
afterAll(async () => {
  await database.stop();
  await server.stop();
});

it('waits for a transaction that is prepared and has no session, until it is committed', async () => {
  const client = new pg.Client({ connectionString: `${server.url}/postgres` });
  await client.connect();
  await client.query('CREATE TABLE late (at timestamptz DEFAULT now())');
  await client.query('BEGIN');
  await client.query('INSERT INTO late DEFAULT VALUES');
  const watch = new OpenTransactionsWatch(3_600_000);
  const open = await watch.look(database);
  await client.query("PREPARE TRANSACTION 'in two phases'");
  await client.end();
  const [held] = await server.admin<{ other: boolean }>('SELECT count(*) = 0 AS other FROM late');
  expect(held?.other).toBe(true);

  const prepared = await watch.look(database);
  expect([prepared.before, prepared.ignored]).toEqual([open.before, 0]);
  await server.admin("COMMIT PREPARED 'in two phases'");
  const [late] = await database.query<{ at: string }>('SELECT at FROM late');
  expect(Date.parse(late!.at)).toBeGreaterThanOrEqual(Math.floor(Date.parse(prepared.before)));
  expect(Date.parse((await watch.look(database)).before)).toBeGreaterThan(Date.parse(late!.at));
});
