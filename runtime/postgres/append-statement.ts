import type { Json } from '../../core/json.ts';
import type { ChangeStatement } from './state-change-sql.ts';
import { qualified } from './identifiers.ts';

/** One event as it will stand in both tables. */
export interface EventRow {
  readonly event_id: string;
  readonly version: string;
  readonly type: string;
  /** The outbox row's `aggregatetype`. */
  readonly domain: string;
  /** The record key: the outbox row's `aggregateid`. */
  readonly key: string;
  readonly route: string;
  readonly payload: Json;
  /** The same as text: payloads are large, and are written out once. */
  readonly payloadJson: string;
}

/** What all rows of one append have in common. */
export interface AppendContext {
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly expectedVersion: bigint;
  /** ISO 8601: `created_at` of the events and of their outbox rows. */
  readonly at: string;
  readonly metadata: object;
  readonly traceId: string;
  readonly requestId: string | null;
  readonly traceparent: string;
  readonly tracestate: string | null;
  readonly tracingSpanContext: string;
  readonly correlationId: string | null;
  readonly causationId: string | null;
}

/** The parameters of the statement below; those of further changes follow. */
export const APPEND_PARAMETERS = 13;

/**
 * One statement: events rows, outbox rows, and the state rows that follow. Its one row tells how many events were appended:
 * none when the expected version is not there, so that a stream can have no gap; an occupied one breaks the unique key.
 */
export function appendStatement(schema: string, changes: readonly ChangeStatement[]): string {
  const events = qualified(schema, 'events');
  return `
WITH input AS (
  SELECT * FROM jsonb_to_recordset($1::jsonb)
    AS e(event_id uuid, version bigint, type varchar, domain varchar, key varchar, route varchar, payload jsonb)
), appended AS (
  INSERT INTO ${events} (event_id, aggregate_type, aggregate_id, sequence_number, event_type, payload, metadata, created_at)
  SELECT event_id, $2::varchar, $3::varchar, version, type, payload, $4::jsonb, $5::timestamptz FROM input
  WHERE $6::bigint = 0 OR EXISTS (
    SELECT 1 FROM ${events} WHERE aggregate_type = $2::varchar AND aggregate_id = $3::varchar AND sequence_number = $6::bigint)
  ORDER BY version
  RETURNING event_id
), published AS (
  INSERT INTO ${qualified(schema, 'outbox')} (id, aggregatetype, aggregateid, type, payload, trace_id, request_id, created_at, topic,
    stream_id, version, traceparent, tracestate, tracingspancontext, correlation_id, causation_id)
  SELECT event_id, domain, key, type, payload, $7::varchar, $8::varchar, $5::timestamptz, route,
    $3::varchar, version, $9::text, $10::text, $11::text, $12::varchar, $13::varchar
  FROM input JOIN appended USING (event_id)
  ORDER BY version
)${changes.map((change, index) => `, change_${index} AS (\n  ${change.text}\n)`).join('')}
SELECT count(*) AS appended FROM appended`;
}

/** In the order of the numbers in the statement. */
export function appendValues(rows: readonly EventRow[], context: AppendContext, changes: readonly ChangeStatement[]): readonly unknown[] {
  return [
    `[${rows.map((row) => eventJson(row)).join(',')}]`,
    context.aggregateType,
    context.aggregateId,
    JSON.stringify(context.metadata),
    context.at,
    context.expectedVersion.toString(),
    context.traceId,
    context.requestId,
    context.traceparent,
    context.tracestate,
    context.tracingSpanContext,
    context.correlationId,
    context.causationId,
    ...changes.map((change) => change.row),
  ];
}

/** An event as an element of a statement's parameter, written out by hand: it is made for every event of every batch. */
export function eventJson(row: EventRow, step?: number): string {
  const text = JSON.stringify;
  const place = `"event_id":${text(row.event_id)},"version":${row.version},"type":${text(row.type)},"domain":${text(row.domain)}`;
  const n = step === undefined ? '' : `"n":${step},`;
  return `{${n}${place},"key":${text(row.key)},"route":${text(row.route)},"payload":${row.payloadJson}}`;
}
