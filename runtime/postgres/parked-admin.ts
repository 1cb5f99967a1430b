import type { Clock } from '../../core/clock.ts';
import { pause } from '../processing/pause.ts';
import type { Database, Session } from './database.ts';
import { qualified } from './identifiers.ts';
import type { ParkedAction, ParkedFilter } from './parked-filter.ts';
import { FILTER, FILTER_PARAMETERS, filterValues, forgotten, touches } from './parked-filter.ts';
import type { EntryRow, ParkedCursor } from './parked-list.ts';
import { behind, cursorValues, entryColumns } from './parked-list.ts';
import { raiseRevision } from './parked-records.ts';

/** What is to be done with parked records, and by whom. */
export interface ParkedChange {
  readonly action: ParkedAction;
  /** For the audit. */
  readonly actor: string;
  /** Why, for the audit. */
  readonly detail?: string | undefined;
  /** A retry takes also what is older than the inbox remembers. */
  readonly acceptDoubleEffects: boolean;
  /** Records per second at most. */
  readonly ratePerSecond?: number | undefined;
  /** Aborted: what is begun is finished, and the rest stays as it is. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

export interface ParkedChanged {
  readonly records: number;
  readonly interrupted: boolean;
}

/** Records that one transaction changes. */
const BATCH_MAX = 500;

/**
 * Lets the records have their next attempt now (a blocked one with fresh attempts), or takes them away for good. Each is in the
 * audit before it happens; an action that is cut off is complete for the records that it names so far, and may be repeated.
 * It takes each record once, of those that were parked when it began: one that fails again meanwhile keeps to its ladder.
 * A retry leaves out what is older than the inbox remembers, unless that is accepted.
 * Owners notice within seconds; a record that is being handled at that moment ends as if nothing had been said.
 */
export async function actOnParked(database: Database, audit: Database, filter: ParkedFilter, change: ParkedChange): Promise<ParkedChanged> {
  const { signal, clock, ratePerSecond } = change;
  const [moment] = await database.query<{ at: string }>('SELECT clock_timestamp() AS at');
  const batchMax = Math.min(BATCH_MAX, ratePerSecond ?? BATCH_MAX);
  const startedMs = clock.monotonicMs();
  let records = 0;
  for (let after: EntryRow | undefined; ;) {
    if (signal.aborted) return { records, interrupted: true };
    const page: Page = { filter, change, parkedUntil: moment?.at, after, batchMax };
    const rows = await database.transaction((session) => actOnBatch(session, database.domain, audit, page));
    records += rows.length;
    if (rows.length < batchMax) return { records, interrupted: false };
    after = rows.at(-1);
    if (ratePerSecond === undefined) continue;
    const dueMs = startedMs + (records / ratePerSecond) * 1_000;
    await pause(clock, Math.max(0, dueMs - clock.monotonicMs()), signal);
  }
}

interface Page {
  readonly filter: ParkedFilter;
  readonly change: ParkedChange;
  readonly parkedUntil: string | undefined;
  /** The last record of the page before. */
  readonly after: ParkedCursor | undefined;
  readonly batchMax: number;
}

async function actOnBatch(session: Session, schema: string, audit: Database, page: Page): Promise<readonly EntryRow[]> {
  const { filter, change, parkedUntil, after, batchMax } = page;
  const refused = change.action === 'retry' && !change.acceptDoubleEffects ? forgotten(schema) : 'false';
  const rows = await session.query<EntryRow>(
    `SELECT ${entryColumns(schema)} FROM ${qualified(schema, 'parked_records')} AS p
     WHERE ${FILTER} AND ${touches(change.action)} AND NOT ${refused}
       AND parked_at <= $${FILTER_PARAMETERS + 1}::timestamptz AND ${behind(FILTER_PARAMETERS + 2)}
     ORDER BY group_name, lane, seq LIMIT ${batchMax} FOR UPDATE OF p`,
    [...filterValues(filter), parkedUntil, ...cursorValues(after)],
  );
  if (rows.length === 0) return rows;
  await writeAudit(audit, rows, change);
  for (const [group, ofGroup] of byGroup(rows)) {
    await session.execute(actionStatement(schema, change.action), [
      group,
      ofGroup.map(({ lane }) => lane),
      ofGroup.map(({ seq }) => seq.toString()),
    ]);
  }
  return rows;
}

function actionStatement(schema: string, action: ParkedAction): string {
  const table = qualified(schema, 'parked_records');
  const named = 'unnest($2::bytea[], $3::bigint[]) AS n (lane, seq)';
  const matches = 'p.group_name = $1 AND p.lane = n.lane AND p.seq = n.seq';
  const change =
    action === 'discard'
      ? `DELETE FROM ${table} AS p USING ${named} WHERE ${matches} RETURNING 1`
      : `UPDATE ${table} AS p SET due_at = now(), attempt = CASE WHEN p.blocked_since IS NULL THEN p.attempt ELSE 0 END, blocked_since = NULL
         FROM ${named} WHERE ${matches} RETURNING 1`;
  const discarded = action === 'discard' ? '(SELECT count(*) FROM touched)' : '0';
  return `WITH touched AS (${change}) ${raiseRevision(schema, 'touched', discarded)}`;
}

async function writeAudit(audit: Database, rows: readonly EntryRow[], { action, actor, detail }: ParkedChange): Promise<void> {
  await audit.execute(
    `INSERT INTO ${qualified(audit.domain, 'dead_letter_audit')} (action, actor, detail, group_name, topic, partition, record_offset, event_id, trace_id, error_code)
     SELECT $1, $2, $3, r.group_name, r.topic, r.partition, r.record_offset, left(r.event_id, 64), left(r.trace_id, 64), r.error_code
     FROM unnest($4::text[], $5::text[], $6::int[], $7::bigint[], $8::text[], $9::text[], $10::text[])
       AS r (group_name, topic, partition, record_offset, event_id, trace_id, error_code)`,
    [
      `parked-${action}`,
      actor,
      detail ?? null,
      rows.map(({ group_name }) => group_name),
      rows.map(({ topic }) => topic),
      rows.map(({ partition }) => partition),
      rows.map(({ record_offset }) => record_offset.toString()),
      rows.map(({ event_id }) => event_id),
      rows.map(({ trace_id }) => trace_id),
      rows.map(({ error_code }) => error_code),
    ],
  );
}

function byGroup(rows: readonly EntryRow[]): Map<string, EntryRow[]> {
  const groups = new Map<string, EntryRow[]>();
  for (const row of rows) {
    const others = groups.get(row.group_name);
    if (others === undefined) groups.set(row.group_name, [row]);
    else others.push(row);
  }
  return groups;
}
