import { ClassifiedError } from '../../core/errors.ts';
import { PostgresFault } from './classify-postgres-error.ts';
import type { Database, Session } from './database.ts';
import { qualified } from './identifiers.ts';

export interface PartitionReport {
  readonly made: readonly string[];
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

const DAY_MS = 86_400_000;
/** An attach waits for writers of the default partition only; when even that takes long, the next run tries again. */
const LOCK_TIMEOUT = '2s';

/**
 * Makes the outbox's partitions of today and the coming days (UTC, by the server's clock). Moves no row: a day of which the
 * default partition holds rows already is skipped, and those rows stay where they are, readable like all others. Partitions
 * are made beside the table and attached, so that writers never wait.
 */
export async function ensureOutboxPartitions(
  database: Database,
  domain: string,
  options: { readonly daysAhead: number },
): Promise<PartitionReport> {
  const made: string[] = [];
  const skipped: PartitionReport['skipped'][number][] = [];
  for (const day of await missingDays(database, domain, options.daysAhead)) {
    const reason = await attachDay(database, domain, day);
    if (reason === 'made') made.push(partitionName(day));
    else if (reason !== 'there') skipped.push({ name: partitionName(day), reason });
  }
  return { made, skipped };
}

/** `2025-11-21` is in `outbox_p20251121`. */
export function partitionName(day: string): string {
  return `outbox_p${day.replaceAll('-', '')}`;
}

/**
 * Held until the transaction's end by whoever adds or drops partitions of a domain. False when another process holds it: what
 * drops does not queue behind it.
 */
export async function partitionsLock(session: Session, domain: string): Promise<boolean> {
  const [row] = await session.query<{ held: boolean }>('SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS held', [
    lockName(domain),
  ]);
  return row?.held === true;
}

function lockName(domain: string): string {
  return `millrace partitions ${domain}`;
}

async function missingDays(session: Session, domain: string, daysAhead: number): Promise<readonly string[]> {
  const rows = await session.query<{ day: string }>(
    `SELECT to_char(day, 'YYYY-MM-DD') AS day
     FROM generate_series(0, $2::int) AS ahead, LATERAL (SELECT (now() AT TIME ZONE 'UTC')::date + ahead AS day) AS days
     WHERE to_regclass(format('%I.%I', $1::text, 'outbox_p' || to_char(day, 'YYYYMMDD'))) IS NULL
     ORDER BY day`,
    [domain, daysAhead],
  );
  return rows.map((row) => row.day);
}

async function attachDay(database: Database, domain: string, day: string): Promise<string> {
  const outbox = qualified(domain, 'outbox');
  const partition = qualified(domain, partitionName(day));
  const from = `${day} 00:00:00+00`;
  const to = `${new Date(Date.parse(`${day}T00:00:00Z`) + DAY_MS).toISOString().slice(0, 10)} 00:00:00+00`;
  const occupied = `the default partition holds rows of ${day} already; they stay there`;
  try {
    return await database.transaction(async (session) => {
      await session.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [lockName(domain)]);
      const [found] = await session.query<{ there: boolean; occupied: boolean }>(
        `SELECT to_regclass($1) IS NOT NULL AS there,
                EXISTS (SELECT 1 FROM ${qualified(domain, 'outbox_default')} WHERE created_at >= $2 AND created_at < $3) AS occupied`,
        [partition, from, to],
      );
      if (found?.there === true) return 'there';
      if (found?.occupied === true) return occupied;
      await session.execute(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
      await session.execute(`CREATE TABLE ${partition} (LIKE ${outbox} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)`);
      await session.execute(`ALTER TABLE ${outbox} ATTACH PARTITION ${partition} FOR VALUES FROM ('${from}') TO ('${to}')`);
      const refuse = `${qualified(domain, 'refuse_change')}()`;
      await session.execute(
        `CREATE TRIGGER outbox_never_truncated BEFORE TRUNCATE ON ${partition} FOR EACH STATEMENT EXECUTE FUNCTION ${refuse}`,
      );
      return 'made';
    });
  } catch (error) {
    if (!(error instanceof ClassifiedError)) throw error;
    // A row of that day came into the default partition between the look and the attach.
    if (error.cause instanceof PostgresFault && error.cause.sqlState === '23514') return occupied;
    if (error.code === 'POSTGRES_SERIALIZATION') return `the outbox was locked for over ${LOCK_TIMEOUT}; the next run tries again`;
    throw error;
  }
}
