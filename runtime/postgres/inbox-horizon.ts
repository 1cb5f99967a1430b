import type { Session } from './database.ts';
import { qualified } from './identifiers.ts';

/** Clocks differ, and what is given back now is handled a while later. */
const MARGIN_MS = 3_600_000;

/** From this record timestamp on, in milliseconds since the epoch, the inbox knows of every event whether it was handled. */
function remembersFromMs(schema: string): string {
  return `(SELECT extract(epoch FROM forgotten_to) * 1000 + ${MARGIN_MS} FROM ${qualified(schema, 'inbox_horizon')})::float8`;
}

/**
 * From which record timestamp on (milliseconds since the epoch) the inbox of the domain remembers every event that was handled. It says
 * what was really swept, whatever the retention is; -Infinity: nothing was. Rejects with POSTGRES_UNAVAILABLE.
 */
export async function readInboxHorizon(session: Session, schema: string): Promise<number> {
  const [row] = await session.query<{ from_ms: number | null }>(`SELECT ${remembersFromMs(schema)} AS from_ms`);
  return row?.from_ms ?? -Infinity;
}

/** Whether a record of this age may have had its effect, and the inbox has forgotten it: it must not be handled once more unasked. Pure. */
export function isOlderThanInbox(timestampMs: number, rememberedFromMs: number): boolean {
  return timestampMs < rememberedFromMs;
}

/** The same as a condition of SQL over the column or expression of the timestamp. */
export function olderThanInboxSql(schema: string, timestampMs: string): string {
  return `${timestampMs} < ${remembersFromMs(schema)}`;
}

/**
 * Removes expired rows ($1 at most) and writes down, in the same transaction, up to when events are forgotten by it. Commands
 * are not counted there: nobody gives one back. Rows that another sweep is removing are left to it. One row: how many are gone.
 */
export function sweepInboxStatement(schema: string): string {
  const inbox = qualified(schema, 'processed_events');
  const horizon = qualified(schema, 'inbox_horizon');
  return `WITH swept AS (
    DELETE FROM ${inbox} WHERE idempotency_key IN (
      SELECT idempotency_key FROM ${inbox} WHERE expires_at < now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING processed_at, event_id, step
  ), forgotten AS (SELECT max(processed_at) AS at FROM swept WHERE event_id IS NOT NULL OR step IS NULL),
  noted AS (
    INSERT INTO ${horizon} AS h (forgotten_to) SELECT at FROM forgotten WHERE at IS NOT NULL
    ON CONFLICT (only_row) DO UPDATE SET forgotten_to = greatest(h.forgotten_to, EXCLUDED.forgotten_to))
  SELECT count(*) AS swept FROM swept`;
}
