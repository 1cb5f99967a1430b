import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../core/log.ts';
import { temporaryDatabases } from '../../test/support/temporary-databases.ts';
import type { Database } from './database.ts';
import { createDatabase } from './database.ts';
import { readDecisionsOfFlow } from './decisions-of-flow.ts';
import { migrateDomain } from './migrate.ts';
import { readScans } from './read-scans.ts';

const databases = temporaryDatabases('plans');
const open: Database[] = [];

async function migrated(domain: string, kind: 'domain' | 'platform'): Promise<Database> {
  await migrateDomain({ databaseUrl: databases.url(domain), domain, kind, logger: SILENT_LOGGER });
  const database = createDatabase({ url: databases.url(domain), domain, poolMax: 1, logger: SILENT_LOGGER });
  open.push(database);
  return database;
}

/** How the server would answer what is asked of the database. */
async function planOf(database: Database, ask: (explaining: Database) => Promise<unknown>): Promise<string> {
  const lines: string[] = [];
  const query = async (sql: string, values: readonly unknown[]) => {
    const plan = await database.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`, values);
    lines.push(...plan.map((row) => row['QUERY PLAN']));
    return [];
  };
  await ask({ query } as unknown as Database);
  return lines.join('\n');
}

afterAll(async () => {
  for (const database of open) await database.stop();
  await databases.dropAll();
});

describe('what decisions were made on the records of a flow', () => {
  let platform: Database;
  beforeAll(async () => {
    platform = await migrated('millrace', 'platform');
    await platform.execute(
      `INSERT INTO millrace.dead_letter_audit (action, actor, group_name, topic, partition, record_offset, event_id, trace_id)
       SELECT 'replayed', 'ada', 'group', 'topic', 0, n, 'event-' || n, 'trace-' || n FROM generate_series(1, 20000) AS n`,
    );
    await platform.execute('ANALYZE millrace.dead_letter_audit');
  });

  it.each([undefined, 0])('is found without reading the audit of all others, since %s', async (since) => {
    const question = { id: 'trace-7', eventIds: ['event-8', 'event-9'] };
    expect((await readDecisionsOfFlow(platform, question, since, 100)).map(({ eventId }) => eventId)).toEqual([
      'event-7',
      'event-8',
      'event-9',
    ]);
    const plan = await planOf(platform, (explaining) => readDecisionsOfFlow(explaining, question, since, 100));
    expect(plan).toContain('dead_letter_audit_event_id');
    expect(plan).toContain('dead_letter_audit_trace_id');
    expect(plan).not.toMatch(/Seq Scan|dead_letter_audit_pkey/);
  });
});

describe("a page of a user's finished scans", () => {
  let scan: Database;
  beforeAll(async () => {
    scan = await migrated('scan', 'domain');
    await scan.execute(
      `INSERT INTO scan.scan_records (scan_id, user_id, status, completed_at)
       SELECT 'scan-' || n, 'user-' || n % 10, CASE WHEN n % 3 = 0 THEN 'requested' ELSE 'completed' END, now() - n * interval '100 microseconds'
         FROM generate_series(1, 20000) AS n`,
    );
    await scan.execute('ANALYZE scan.scan_records');
  });

  it('is read in its order, the first and those behind it, and all others are neither read nor sorted', async () => {
    const first = await readScans(scan, 'user-1', { limit: 20 });
    const last = first[19]!;
    const next = { after: { completedAt: last.completed_at!, scanId: last.scan_id }, limit: 20 };
    expect((await readScans(scan, 'user-1', next))[0]).toEqual(first[20]);
    for (const filter of [{ limit: 20 }, next]) {
      const plan = await planOf(scan, (explaining) => readScans(explaining, 'user-1', filter));
      expect(plan).toContain('scan_records_history');
      expect(plan).not.toMatch(/Sort|Seq Scan/);
    }
    const behind = await planOf(scan, (explaining) => readScans(explaining, 'user-1', next));
    expect(behind).toMatch(/Index Cond: .*ROW\(/s);
  });
});
