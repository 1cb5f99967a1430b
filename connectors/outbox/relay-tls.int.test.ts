import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseLsn } from '../../core/lsn.ts';
import { headerText } from '../../core/record.ts';
import type { CaptureDatabase } from '../../test/support/capture-database.ts';
import { captureDatabase } from '../../test/support/capture-database.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { OwnPostgres } from '../../test/support/own-postgres.ts';
import { startOwnPostgres } from '../../test/support/own-postgres.ts';
import { relayUnderTest } from '../../test/support/relay-under-test.ts';

const ROWS = 20_000;

describe('the relay behind TLS', () => {
  let server: OwnPostgres;
  let database: CaptureDatabase;

  beforeAll(async () => {
    server = await startOwnPostgres();
    await server.speakTls();
    database = await captureDatabase('tls', server.url);
  }, 120_000);
  afterAll(async () => {
    await database.drop();
    await server.stop();
  });

  const secured = (): string => {
    const url = new URL(database.url);
    url.searchParams.set('sslmode', 'no-verify');
    return url.toString();
  };
  const walsenderSpeaksTls = async (): Promise<boolean> => {
    const { rows } = await database.sql.query<{ ssl: boolean }>(
      `SELECT ssl FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE application_name = 'millrace-relay'`,
    );
    return rows.length > 0 && rows.every(({ ssl }) => ssl);
  };

  it('streams a long log of small and of large transactions in order, tells the server, and stops', async () => {
    for (let row = 0; row < 50; row += 1) await database.insert();
    await database.insertMany(ROWS);
    const relay = relayUnderTest({ domain: 'image', names: database.names, url: secured() });
    try {
      await relay.start(AbortSignal.timeout(10_000));
      await eventually(walsenderSpeaksTls);
      await eventually(() => relay.producer.acknowledged.length >= ROWS + 50, { timeoutMs: 60_000 });
      const live = await database.insert();
      await eventually(() => relay.producer.acknowledgedIds().at(-1) === live);
      const { rows } = await database.sql.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
      await eventually(async () => parseLsn(await database.confirmedFlushLsn()) >= parseLsn(rows[0]!.lsn), { timeoutMs: 20_000 });
    } finally {
      await relay.stop(AbortSignal.timeout(20_000));
    }
    const versions = relay.producer.acknowledged.slice(50, -1).map(({ headers }) => Number(headerText(headers, 'version')));
    expect(versions).toEqual(Array.from({ length: ROWS }, (_, index) => index + 1));
  }, 120_000);
});
