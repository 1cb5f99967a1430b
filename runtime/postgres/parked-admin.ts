import type { Database, Session } from './database.ts';
import { qualified } from './identifiers.ts';
import { raiseRevision } from './parked-records.ts';

/** Which parked records are meant; what is left out does not matter. */
export interface ParkedFilter {
  readonly group?: string;
  /** The record key. */
  readonly key?: string;
  readonly errorCode?: string;
  readonly traceId?: string;
  /** The event's type. */
  readonly type?: string;
  /** Parked for at least so long. */
  readonly olderThanMs?: number;
  /** Only those that wait for a person. */
  readonly blocked?: true;
}

/** A parked record without its body. Times are ISO 8601. */
export interface ParkedEntry {
  readonly group: string;
  /** The record key as text; null for a record without one. */
  readonly key: string | null;
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly eventId: string | null;
  readonly type: string | null;
  readonly traceId: string | null;
  readonly origin: string;
  /** It is the first of its lane; the others wait behind it. */
  readonly isFirst: boolean;
  /** Failed attempts. */
  readonly attempts: number;
  readonly dueAt: string;
  readonly blockedSince: string | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly firstFailedAt: string | null;
  readonly parkedAt: string;
  readonly bytes: number;
}

export interface ParkedListing {
  /** The first ones, in the order in which they will be handled per key. */
  readonly entries: readonly ParkedEntry[];
  readonly records: number;
  readonly keys: number;
}

export type ParkedAction = 'retry' | 'discard';

interface EntryRow {
  readonly group_name: string;
  readonly lane: Uint8Array;
  readonly seq: bigint;
  readonly key: Uint8Array | null;
  readonly topic: string;
  readonly partition: number;
  readonly record_offset: bigint;
  readonly event_id: string | null;
  readonly event_type: string | null;
  readonly trace_id: string | null;
  readonly origin: string;
  readonly is_first: boolean;
  readonly attempt: number;
  readonly due_at: string;
  readonly blocked_since: string | null;
  readonly error_code: string | null;
  readonly error_message: string | null;
  readonly first_failed_at: string | null;
  readonly parked_at: string;
  readonly bytes: number;
}

function columns(table: string): string {
  return `group_name, lane, seq, record_key AS key, topic, partition, record_offset, event_id, event_type, trace_id, origin, attempt,
  due_at, blocked_since, error_code, error_message, first_failed_at, parked_at, coalesce(octet_length(record_value), 0) AS bytes,
  seq = (SELECT min(first.seq) FROM ${table} AS first WHERE first.group_name = p.group_name AND first.lane = p.lane) AS is_first`;
}

/** Records that one transaction changes. */
const BATCH = 500;

/** What waits in one database. `of`: only what this action would touch. */
export async function listParked(database: Database, filter: ParkedFilter, limit: number, of?: ParkedAction): Promise<ParkedListing> {
  const table = qualified(database.domain, 'parked_records');
  const values = filterValues(filter);
  const where = `${FILTER} AND ${touches(of)}`;
  const [counts] = await database.query<{ records: bigint; keys: bigint }>(
    `SELECT count(*) AS records, count(DISTINCT (group_name, record_key)) AS keys FROM ${table} WHERE ${where}`,
    values,
  );
  const rows = await database.query<EntryRow>(
    `SELECT ${columns(table)} FROM ${table} AS p WHERE ${where} ORDER BY group_name, lane, seq LIMIT ${limit}`,
    values,
  );
  return { entries: rows.map(entryOf), records: Number(counts?.records ?? 0n), keys: Number(counts?.keys ?? 0n) };
}

/**
 * Lets the records have their next attempt now (a blocked one with fresh attempts), or takes them away for good. Each is in the
 * audit before it happens; an action that is cut off is complete for the records that it names so far, and may be repeated.
 * It takes each record once, of those that were parked when it began: one that fails again meanwhile keeps to its ladder.
 * Owners notice within seconds; a record that is being handled at that moment ends as if nothing had been said.
 *
 * @returns how many records it touched.
 */
export async function actOnParked(
  database: Database,
  audit: Database,
  filter: ParkedFilter,
  action: ParkedAction,
  actor: string,
): Promise<number> {
  const [moment] = await database.query<{ at: string }>('SELECT clock_timestamp() AS at');
  let touched = 0;
  for (let after: EntryRow | undefined; ;) {
    const page: Page = { filter, action, parkedUntil: moment?.at, after };
    const rows = await database.transaction((session) => actOnBatch(session, database.domain, audit, page, actor));
    touched += rows.length;
    if (rows.length < BATCH) return touched;
    after = rows.at(-1);
  }
}

interface Page {
  readonly filter: ParkedFilter;
  readonly action: ParkedAction;
  readonly parkedUntil: string | undefined;
  /** The last record of the page before. */
  readonly after: EntryRow | undefined;
}

async function actOnBatch(
  session: Session,
  schema: string,
  audit: Database,
  { filter, action, parkedUntil, after }: Page,
  actor: string,
): Promise<readonly EntryRow[]> {
  const table = qualified(schema, 'parked_records');
  const rows = await session.query<EntryRow>(
    `SELECT ${columns(table)} FROM ${table} AS p WHERE ${FILTER} AND ${touches(action)} AND ${ON_PAGE}
     ORDER BY group_name, lane, seq LIMIT ${BATCH} FOR UPDATE OF p`,
    [...filterValues(filter), parkedUntil, after?.group_name, after?.lane, after?.seq.toString()],
  );
  if (rows.length === 0) return rows;
  await writeAudit(audit, rows, `parked-${action}`, actor);
  for (const [group, ofGroup] of byGroup(rows)) {
    await session.execute(actionStatement(schema, action), [
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

async function writeAudit(audit: Database, rows: readonly EntryRow[], action: string, actor: string): Promise<void> {
  await audit.execute(
    `INSERT INTO ${qualified(audit.domain, 'dead_letter_audit')} (action, actor, group_name, topic, partition, record_offset, event_id, trace_id, error_code)
     SELECT $1, $2, r.group_name, r.topic, r.partition, r.record_offset, left(r.event_id, 64), left(r.trace_id, 64), r.error_code
     FROM unnest($3::text[], $4::text[], $5::int[], $6::bigint[], $7::text[], $8::text[], $9::text[])
       AS r (group_name, topic, partition, record_offset, event_id, trace_id, error_code)`,
    [
      action,
      actor,
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

/** A retry has nothing to say to a record that waits for its predecessors alone. */
function touches(action: ParkedAction | undefined): string {
  return action === 'retry' ? '(blocked_since IS NOT NULL OR due_at > now())' : 'true';
}

const FILTER = `($1::text IS NULL OR group_name = $1) AND ($2::text IS NULL OR record_key = convert_to($2, 'UTF8'))
  AND ($3::text IS NULL OR error_code = $3) AND ($4::text IS NULL OR trace_id = $4) AND ($5::text IS NULL OR event_type = $5)
  AND ($6::float8 IS NULL OR parked_at <= now() - $6::float8 * interval '1 millisecond') AND ($7::bool IS NOT TRUE OR blocked_since IS NOT NULL)`;

const ON_PAGE = `parked_at <= $8::timestamptz
  AND ($9::text IS NULL OR (group_name, lane, seq) > ($9::text, $10::bytea, $11::bigint))`;

function filterValues(filter: ParkedFilter): readonly unknown[] {
  const { group, key, errorCode, traceId, type, olderThanMs, blocked } = filter;
  return [group, key, errorCode, traceId, type, olderThanMs, blocked].map((value) => value ?? null);
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

function entryOf(row: EntryRow): ParkedEntry {
  return {
    group: row.group_name,
    key: row.key === null ? null : Buffer.from(row.key).toString('utf8'),
    topic: row.topic,
    partition: row.partition,
    offset: row.record_offset,
    eventId: row.event_id,
    type: row.event_type,
    traceId: row.trace_id,
    origin: row.origin,
    isFirst: row.is_first,
    attempts: row.attempt,
    dueAt: row.due_at,
    blockedSince: row.blocked_since,
    errorCode: row.error_code,
    errorMessage: row.error_message,
    firstFailedAt: row.first_failed_at,
    parkedAt: row.parked_at,
    bytes: row.bytes,
  };
}
