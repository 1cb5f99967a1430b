import type { Sql } from './sql-session.ts';
import { quoteIdentifier } from './sql-session.ts';

/** Who may read from a domain's slot, by the word of the domain's own database. */
export type CaptureOwner = 'relay' | 'debezium';

/** How long a change of owner waits for transactions that have emitted an event without a table. */
const EMITTERS_TIMEOUT_MS = 5_000;

/** Undefined when nobody has said: no row, or a database from before there was one. */
export async function readCaptureOwner(sql: Sql, domain: string): Promise<CaptureOwner | undefined> {
  const table = `${quoteIdentifier(domain)}.capture_owner`;
  const { rows: tables } = await sql.query('SELECT to_regclass($1) IS NOT NULL AS there', [table]);
  if (!(tables[0] as { there: boolean }).there) return undefined;
  const { rows } = await sql.query(`SELECT owner FROM ${table}`);
  return (rows[0] as { owner: CaptureOwner } | undefined)?.owner;
}

/**
 * Relays that run obey within their next look (half a second). The table comes with the migrations. Waits for transactions that
 * have emitted an event without a table, for five seconds at most; none emits one afterwards while the owner is not the relay.
 */
export async function writeCaptureOwner(sql: Sql, domain: string, owner: CaptureOwner): Promise<void> {
  // The server must give up before we do: a command that is gone would still wait there, hold up writers, and change the owner late.
  await sql.query(`SELECT set_config('lock_timeout', '${EMITTERS_TIMEOUT_MS}ms', false)`);
  // One statement is one transaction: the lock is held until the word is written.
  await sql.query(
    `WITH quiet AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended('millrace.capture_owner', 0)) AS locked)
     INSERT INTO ${quoteIdentifier(domain)}.capture_owner (owner) SELECT $1 FROM quiet
     ON CONFLICT (only_row) DO UPDATE SET owner = excluded.owner, changed_at = now()
      WHERE capture_owner.owner <> excluded.owner`,
    [owner],
  );
}
