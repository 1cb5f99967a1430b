import type { ConsumedRecord } from '../../core/record.ts';
import type { Session } from './database.ts';
import { qualified } from './identifiers.ts';
import type { ParkedAction, ParkedFilter } from './parked-filter.ts';
import { FILTER, FILTER_PARAMETERS, filterValues, forgotten, touches } from './parked-filter.ts';
import type { RecordRow } from './parked-row.ts';
import { RECORD_COLUMNS, recordOf } from './parked-row.ts';

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
  /** Its event is older than the inbox remembers: its effect could come twice. */
  readonly isOlderThanInbox: boolean;
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
  /** Those among them that are older than the inbox remembers. */
  readonly olderThanInbox: number;
}

/** Where a page begins: behind this one. */
export interface ParkedCursor {
  readonly group_name: string;
  readonly lane: Uint8Array;
  readonly seq: bigint;
}

export interface EntryRow extends ParkedCursor {
  readonly key: Uint8Array | null;
  readonly topic: string;
  readonly partition: number;
  readonly record_offset: bigint;
  readonly event_id: string | null;
  readonly event_type: string | null;
  readonly trace_id: string | null;
  readonly origin: string;
  readonly is_first: boolean;
  readonly is_forgotten: boolean;
  readonly attempt: number;
  readonly due_at: string;
  readonly blocked_since: string | null;
  readonly error_code: string | null;
  readonly error_message: string | null;
  readonly first_failed_at: string | null;
  readonly parked_at: string;
  readonly bytes: number;
}

export function entryColumns(schema: string): string {
  return `group_name, lane, seq, record_key AS key, topic, partition, record_offset, event_id, event_type, trace_id, origin, attempt,
  due_at, blocked_since, error_code, error_message, first_failed_at, parked_at, coalesce(octet_length(record_value), 0) AS bytes,
  ${forgotten(schema)} AS is_forgotten,
  seq = (SELECT min(first.seq) FROM ${qualified(schema, 'parked_records')} AS first WHERE first.group_name = p.group_name AND first.lane = p.lane) AS is_first`;
}

/** What waits in one database. `of`: only what this action would touch. Rejects with POSTGRES_UNAVAILABLE. */
export async function listParked(
  session: Session,
  schema: string,
  filter: ParkedFilter,
  limit: number,
  of?: ParkedAction,
): Promise<ParkedListing> {
  const table = qualified(schema, 'parked_records');
  const values = filterValues(filter);
  const where = `${FILTER} AND ${touches(of)}`;
  const [counts] = await session.query<{ records: bigint; keys: bigint; older: bigint }>(
    `SELECT count(*) AS records, count(DISTINCT (group_name, record_key)) AS keys, count(*) FILTER (WHERE ${forgotten(schema)}) AS older
     FROM ${table} WHERE ${where}`,
    values,
  );
  const rows = await session.query<EntryRow>(
    `SELECT ${entryColumns(schema)} FROM ${table} AS p WHERE ${where} ORDER BY group_name, lane, seq LIMIT ${limit}`,
    values,
  );
  return {
    entries: rows.map(entryOf),
    records: Number(counts?.records ?? 0n),
    keys: Number(counts?.keys ?? 0n),
    olderThanInbox: Number(counts?.older ?? 0n),
  };
}

/** Parked records with their bodies, that the action would touch: the first ones behind the cursor. */
export async function readParked(
  session: Session,
  schema: string,
  filter: ParkedFilter,
  page: { readonly of: ParkedAction; readonly after: ParkedCursor | undefined; readonly limit: number },
): Promise<{
  readonly found: readonly { readonly entry: ParkedEntry; readonly record: ConsumedRecord }[];
  readonly last: ParkedCursor | undefined;
}> {
  const rows = await session.query<EntryRow & RecordRow>(
    `SELECT ${entryColumns(schema)}, ${RECORD_COLUMNS} FROM ${qualified(schema, 'parked_records')} AS p
     WHERE ${FILTER} AND ${touches(page.of)} AND ${behind(FILTER_PARAMETERS + 1)} ORDER BY group_name, lane, seq LIMIT ${page.limit}`,
    [...filterValues(filter), ...cursorValues(page.after)],
  );
  return { found: rows.map((row) => ({ entry: entryOf(row), record: recordOf(row) })), last: rows.at(-1) };
}

/** The condition that a record lies behind the cursor, whose values are three parameters from this one on. */
export function behind(parameter: number): string {
  return `($${parameter}::text IS NULL OR (group_name, lane, seq) > ($${parameter}::text, $${parameter + 1}::bytea, $${parameter + 2}::bigint))`;
}

export function cursorValues(cursor: ParkedCursor | undefined): readonly unknown[] {
  return [cursor?.group_name ?? null, cursor?.lane ?? null, cursor?.seq.toString() ?? null];
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
    isOlderThanInbox: row.is_forgotten,
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
