import type { EventDefinition } from '../../core/define.ts';
import type { EventRecord } from '../../core/envelope.ts';
import { isUuid } from '../../core/uuid.ts';
import type { Session } from './database.ts';
import type { StoredEventRow } from './history.ts';
import { eventRecord } from './history.ts';
import { qualified } from './identifiers.ts';

/** An event that begins a flow. Times are ISO 8601, UTC. */
export interface Beginning {
  readonly flowId: string;
  readonly traceId: string | undefined;
  readonly eventId: string;
  readonly type: string;
  readonly at: string;
}

/** How far the beginnings of one event type were read. */
export interface BeginningsPosition {
  readonly readTo: string;
  readonly eventId: string;
}

export interface FlowEvent {
  readonly flowId: string;
  readonly type: string;
  /** Of the aggregate: what `millrace aggregate show` takes. */
  readonly aggregateType: string;
  /** Undefined: it is stored, and cannot be read as what the pipeline declares. */
  readonly event: EventRecord | undefined;
}

const COLUMNS = 'event_id, aggregate_type, aggregate_id, sequence_number, event_type, payload, metadata, created_at';
/** An event of a writer that knows no flows is a flow of its own, as its readers take it. */
const FLOW_ID = `coalesce(metadata->>'correlation_id', event_id::text)`;

/** Characters of the ids that the table of flows keeps: as many as an envelope may have. Nobody takes an event with longer ones. */
const ID_LENGTH = 128;

/**
 * Events of a type behind the position, oldest first. An event is read once it is `settledMs` old, on the clock of its own
 * database, and was before `before`: until then an older one may still be committed. Rejects with POSTGRES_UNAVAILABLE.
 */
export async function readBeginnings(
  session: Session,
  domain: string,
  type: string,
  position: BeginningsPosition,
  options: { readonly settledMs: number; readonly before?: string; readonly limit: number },
): Promise<readonly Beginning[]> {
  const rows = await session.query<{ flow_id: string; trace_id: string | null; event_id: string; created_at: string }>(
    `SELECT left(${FLOW_ID}, ${ID_LENGTH}) AS flow_id, left(metadata->>'trace_id', ${ID_LENGTH}) AS trace_id, event_id, created_at
       FROM ${qualified(domain, 'events')}
      WHERE event_type = $1 AND created_at >= $2::timestamptz AND (created_at, event_id) > ($2::timestamptz, $3::uuid)
        AND created_at <= clock_timestamp() - make_interval(secs => $4::double precision / 1000)
        AND ($5::timestamptz IS NULL OR created_at < $5::timestamptz)
      ORDER BY created_at, event_id LIMIT $6`,
    [type, position.readTo, position.eventId, options.settledMs, options.before ?? null, options.limit],
  );
  return rows.map((row) => ({
    flowId: row.flow_id,
    traceId: row.trace_id ?? undefined,
    eventId: row.event_id,
    type,
    at: row.created_at,
  }));
}

/** How many events of a type lie between two positions; no more than `max` are counted. Rejects with POSTGRES_UNAVAILABLE. */
export async function countBeginnings(
  session: Session,
  domain: string,
  type: string,
  between: { readonly after: BeginningsPosition; readonly before: BeginningsPosition; readonly max: number },
): Promise<number> {
  const { after, before, max } = between;
  const [row] = await session.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM (
       SELECT FROM ${qualified(domain, 'events')}
        WHERE event_type = $1 AND (created_at, event_id) > ($2::timestamptz, $3::uuid) AND created_at < $4::timestamptz LIMIT $5
     ) AS passed`,
    [type, after.readTo, after.eventId, before.readTo, max],
  );
  return row?.count ?? 0;
}

/**
 * The events of each flow that one domain's store holds, at most `eventsMax` of a flow, the oldest first; one more says that
 * there are more. Rejects with POSTGRES_UNAVAILABLE.
 */
export async function readFlowEvents(
  session: Session,
  domain: string,
  flowIds: readonly string[],
  options: { readonly catalogue: ReadonlyMap<string, EventDefinition>; readonly eventsMax: number },
): Promise<readonly FlowEvent[]> {
  const events = qualified(domain, 'events');
  const rows = await session.query<FlowEventRow>(
    `SELECT flow.id AS flow_id, found.* FROM unnest($1::text[]) AS flow(id) CROSS JOIN LATERAL (
       SELECT ${COLUMNS} FROM ${events} WHERE metadata->>'correlation_id' = flow.id ORDER BY created_at, sequence_number LIMIT $3
     ) AS found
     UNION ALL
     SELECT event_id::text, ${COLUMNS} FROM ${events} WHERE event_id = ANY ($2::uuid[]) AND metadata->>'correlation_id' IS NULL`,
    [flowIds, flowIds.filter((id) => isUuid(id)), options.eventsMax + 1],
  );
  return rows.map((row) => ({
    flowId: row.flow_id,
    type: row.event_type,
    aggregateType: row.aggregate_type,
    event: readable(row, options.catalogue.get(row.event_type)),
  }));
}

type FlowEventRow = StoredEventRow & { readonly flow_id: string; readonly aggregate_type: string };

function readable(row: StoredEventRow, definition: EventDefinition | undefined): EventRecord | undefined {
  try {
    return eventRecord(row, definition);
  } catch {
    return undefined; // of a type that is no longer declared, or another writer's that has no key
  }
}

/** What somebody may know of a flow. */
export type FlowQuestion =
  | { readonly traceId: string }
  | { readonly eventId: string }
  | { readonly aggregateId: string; readonly aggregateTypes: readonly string[] };

export interface FoundFlow {
  readonly flowId: string;
  /** When the newest of its events that were found was appended: ISO 8601, UTC, microseconds. */
  readonly newestAt: string;
}

/** The flows to which the question leads in one domain's store, the newest first. Rejects with POSTGRES_UNAVAILABLE. */
export async function findFlows(session: Session, domain: string, question: FlowQuestion, limit: number): Promise<readonly FoundFlow[]> {
  const { condition, values } = whereOf(question);
  const rows = await session.query<{ flow_id: string; newest_at: string }>(
    `SELECT flow_id, max(created_at) AS newest_at FROM (
       SELECT ${FLOW_ID} AS flow_id, created_at FROM ${qualified(domain, 'events')}
        WHERE ${condition} ORDER BY created_at DESC LIMIT 10000
     ) AS found GROUP BY flow_id ORDER BY max(created_at) DESC LIMIT ${limit}`,
    values,
  );
  return rows.map(({ flow_id, newest_at }) => ({ flowId: flow_id, newestAt: newest_at }));
}

function whereOf(question: FlowQuestion): { readonly condition: string; readonly values: readonly unknown[] } {
  if ('traceId' in question) return { condition: `metadata->>'trace_id' = $1`, values: [question.traceId] };
  if ('eventId' in question) {
    return { condition: `event_id = $1::uuid OR metadata->>'correlation_id' = $2::text`, values: [question.eventId, question.eventId] };
  }
  return {
    condition: 'aggregate_type = ANY ($1::varchar[]) AND aggregate_id = $2',
    values: [question.aggregateTypes, question.aggregateId],
  };
}
