import type { Offset } from '../../core/offset.ts';
import type { Session } from './database.ts';
import { qualified } from './identifiers.ts';

/** Which parked records belong to a flow, or to an id that somebody asks for. */
export interface ParkedQuestion {
  /** Of a trace, a flow, an event or an aggregate: the record's key, or one of its headers. */
  readonly id: string;
  readonly eventIds: readonly string[];
}

/** A parked record as the timeline of a flow shows it. Times are ISO 8601, UTC. */
export interface ParkedOfFlow {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: Offset;
  readonly eventId: string | undefined;
  readonly type: string | undefined;
  readonly traceId: string | undefined;
  /** Failed attempts. */
  readonly attempts: number;
  readonly dueAt: string;
  /** False: it waits behind another one of its key. */
  readonly isFirst: boolean;
  /** Since when its key waits for a person. */
  readonly blockedSince: string | undefined;
  readonly errorCode: string | undefined;
  readonly parkedAt: string;
}

/** The headers that name a flow, an event or an aggregate. Any other may hold the same text by chance. */
export const NAMING_HEADERS = ['trace_id', 'id', 'correlation_id', 'causation_id', 'stream_id'] as const;

interface Row {
  readonly group_name: string;
  readonly topic: string;
  readonly partition: number;
  readonly record_offset: Offset;
  readonly event_id: string | null;
  readonly event_type: string | null;
  readonly trace_id: string | null;
  readonly attempt: number;
  readonly due_at: string;
  readonly is_first: boolean;
  readonly blocked_since: string | null;
  readonly error_code: string | null;
  readonly parked_at: string;
}

/** Those of one database, in the order in which they were parked. Rejects with POSTGRES_UNAVAILABLE, HANDLER_TIMEOUT. */
export async function readParkedOfFlow(
  session: Session,
  schema: string,
  { id, eventIds }: ParkedQuestion,
  limit: number,
): Promise<readonly ParkedOfFlow[]> {
  const table = qualified(schema, 'parked_records');
  const rows = await session.query<Row>(
    `SELECT group_name, topic, partition, record_offset, event_id, event_type, trace_id, attempt, due_at, blocked_since, error_code, parked_at,
            seq = (SELECT min(first.seq) FROM ${table} AS first WHERE first.group_name = p.group_name AND first.lane = p.lane) AS is_first
       FROM ${table} AS p
      WHERE event_id = ANY ($1::text[]) OR trace_id = $2 OR record_key = convert_to($2, 'UTF8')
         OR EXISTS (SELECT 1 FROM unnest(header_names, header_values) AS h(name, value)
                     WHERE h.value = convert_to($2, 'UTF8') AND h.name = ANY ($3::bytea[]))
      ORDER BY parked_at, seq LIMIT $4`,
    [eventIds, id, NAMING_HEADERS.map((name) => Buffer.from(name)), limit],
  );
  return rows.map((row) => ({
    group: row.group_name,
    topic: row.topic,
    partition: row.partition,
    offset: row.record_offset,
    eventId: row.event_id ?? undefined,
    type: row.event_type ?? undefined,
    traceId: row.trace_id ?? undefined,
    attempts: row.attempt,
    dueAt: row.due_at,
    isFirst: row.is_first,
    blockedSince: row.blocked_since ?? undefined,
    errorCode: row.error_code ?? undefined,
    parkedAt: row.parked_at,
  }));
}
