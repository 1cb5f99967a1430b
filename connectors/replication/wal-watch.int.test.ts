import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LogFields, Logger } from '../../core/log.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { OwnPostgres } from '../../test/support/own-postgres.ts';
import { startOwnPostgres } from '../../test/support/own-postgres.ts';
import { systemClock } from '../../test/support/system-clock.ts';
import { withSqlSession } from './sql-session.ts';
import { readServerWal, slotWal } from './wal-facts.ts';
import type { WalWatchOptions } from './wal-watch.ts';
import { createWalWatch } from './wal-watch.ts';

const NEVER = new AbortController().signal;
const MIB = 1_048_576;

/** Its own server: the limit of the log is one for all slots of a server. */
let server: OwnPostgres;
let url: string;

beforeAll(async () => {
  server = await startOwnPostgres();
  await server.configure({ max_slot_wal_keep_size: '64MB', min_wal_size: '32MB', max_wal_size: '64MB' });
  await server.admin('CREATE DATABASE image');
  url = `${server.url}/image`;
  await server.admin('CREATE TABLE filler (text text)', 'image');
}, 300_000);
afterAll(() => server.stop());

const createSlot = (name: string) => server.admin(`SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`, 'image');
/** Into the log alone. */
const writeMebibytes = (count: number) =>
  server.admin(`SELECT pg_logical_emit_message(false, 'filler', repeat('x', ${MIB})) FROM generate_series(1, ${count})`, 'image');

interface Said {
  readonly level: string;
  readonly fields: LogFields;
  readonly message: string;
}

function watch(slot: string, change: Partial<WalWatchOptions> = {}) {
  const said: Said[] = [];
  const say =
    (level: string) =>
    (fields: LogFields, message: string): void =>
      void said.push({ level, fields, message });
  const logger: Logger = { ...SILENT_LOGGER, info: say('info'), warn: say('warn'), error: say('error') };
  const gauges = new Map<string, number>();
  const service = createWalWatch({
    domain: 'image',
    url,
    slot,
    isOurs: (name) => name === slot,
    budget: { bytes: 1_024 * MIB, warnPercent: 50, criticalPercent: 80 },
    intervalMs: 50,
    metrics: {
      count: () => undefined,
      observe: () => undefined,
      gauge: (name, labels, value) => void gauges.set('stage' in labels ? `${name}/${String(labels.stage)}` : name, value),
    },
    logger,
    clock: systemClock,
    ...change,
  });
  const report = () => service.health()[0]!;
  const stage = (name: string) => eventually(() => report().facts?.['stage'] === name, { timeoutMs: 20_000 });
  return { service, said, gauges, report, stage };
}

describe('the watch over the write-ahead log', () => {
  it('goes through the stages of a slot that nobody reads, up to its loss, and says each of them once', async () => {
    await createSlot('ours');
    const { service, said, gauges, report, stage } = watch('ours');
    await service.start(NEVER);
    await stage('ok');
    expect(report()).toMatchObject({
      name: 'wal.image',
      status: 'ok',
      facts: { budgetBytes: 64 * MIB, limited: true, walStatus: 'reserved' },
    });

    await writeMebibytes(36);
    await stage('warn');
    expect(report().status).toBe('degraded');
    await writeMebibytes(20);
    await stage('critical');
    expect(gauges.get('millrace_wal_stage/critical')).toBe(1);
    expect(gauges.get('millrace_wal_stage/warn')).toBe(0);
    expect(gauges.get('millrace_wal_retained_bytes')).toBeGreaterThan(51 * MIB);
    expect(gauges.get('millrace_wal_safe_bytes')).toBeLessThan(64 * MIB);

    await writeMebibytes(60);
    await server.admin('CHECKPOINT');
    await stage('lost');
    expect(report()).toMatchObject({ status: 'down', detail: expect.stringContaining('invalidated') });
    await service.stop(NEVER);
    expect(said.map(({ level, fields }) => `${level} ${String(fields['stage'])}`)).toEqual(['warn warn', 'error critical', 'error lost']);
    await server.admin(`SELECT pg_drop_replication_slot('ours')`);
  });

  it('names the session whose open transaction keeps the log although all is confirmed, and never its query', async () => {
    await server.configure({ max_slot_wal_keep_size: '-1' });
    await createSlot('held');
    const report = new pg.Client({ connectionString: url, application_name: 'nightly-report' });
    await report.connect();
    try {
      await report.query(`BEGIN; INSERT INTO filler VALUES ('somebody@example.org')`);
      const facts = await withSqlSession(url, readServerWal);
      expect(facts.limitBytes).toBeUndefined();
      expect(slotWal(facts, 'held')).toMatchObject({ exists: true, limitBytes: undefined });
      expect(facts.pins).toMatchObject([
        { kind: 'transaction', application: 'nightly-report', state: 'idle in transaction', user: 'millrace', database: 'image' },
      ]);
      expect(JSON.stringify(facts)).not.toContain('somebody');
    } finally {
      await report.end();
      await server.admin(`SELECT pg_drop_replication_slot('held')`);
    }
  });

  it('reports slots that are not ours, says once that one reads this database, and leaves them alone', async () => {
    await createSlot('ours');
    await server.admin(`SELECT pg_create_physical_replication_slot('standby')`);
    await createSlot('stranger');
    const { service, said, report, stage } = watch('ours');
    await service.start(NEVER);
    await stage('ok');
    expect(report().facts?.['unknownSlots']).toBe(2);
    await server.admin(`SELECT pg_drop_replication_slot('stranger')`);
    await eventually(() => report().facts?.['unknownSlots'] === 1);
    await service.stop(NEVER);
    expect(said.map(({ fields }) => fields['slot'])).toEqual(['stranger']);
    const left = await server.admin<{ slot_name: string }>('SELECT slot_name FROM pg_replication_slots ORDER BY 1');
    expect(left.map(({ slot_name }) => slot_name)).toEqual(['ours', 'standby']);
    for (const { slot_name } of left) await server.admin(`SELECT pg_drop_replication_slot('${slot_name}')`);
  });

  it('is lost when its slot is gone, ok again when it is back, and degraded while the server does not answer', async () => {
    const { service, said, stage } = watch('ours');
    await service.start(NEVER);
    await stage('lost');
    await createSlot('ours');
    await stage('ok');
    await service.stop(NEVER);
    await service.stop(NEVER);
    expect(said.map(({ fields }) => fields['stage'])).toEqual(['lost', 'ok']);

    const away = watch('ours', { url: 'postgres://u@127.0.0.1:1/away' });
    await away.service.start(NEVER);
    await eventually(() => away.report().status === 'degraded');
    await away.service.stop(NEVER);
    expect(away.said).toEqual([]);
  });
});
