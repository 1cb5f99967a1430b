import { qualified, quoteIdentifier } from '../identifiers.ts';
import type { ChangeShape } from '../state-change-sql.ts';
import { shapeStatement } from '../state-change-sql.ts';

/** What a batch writes beside its inbox rows: each part costs time even when it is empty. */
export interface WriteShape {
  readonly events: boolean;
  readonly snapshots: boolean;
  /** In one order, whatever the batch: who writes many rows takes them in the order of the tables. */
  readonly changes: readonly ChangeShape[];
}

/** How a step fared, one row each. */
export interface Fate {
  readonly n: number;
  /** All of it is written. */
  readonly taken: boolean;
  /** Its stream still ended where it was decided upon, a short while ago. A step that is current and was not taken found its key taken. */
  readonly current: boolean;
}

/**
 * Events have the time at which their stream was read, and who reads them by their time has gone past it after two minutes (the
 * sweep of the flows): a process that was frozen between its two statements must not add one behind it.
 */
const READ_WITHIN = `interval '1 minute'`;

/**
 * The whole effect of many steps in one statement: a transaction of its own. Each step is written wholly or not at all: not
 * when its stream has gone on since it was read or was read too long ago, and not when somebody else has its key. The parameters are the steps, the
 * domain, the days that keys are kept, then events, snapshots and changes as far as the shape has them.
 *
 * All keys are taken before anything else, and in their order; then come the streams in theirs, then the state tables: two
 * batches wait for each other in one direction only.
 */
export function writeStatement(schema: string, shape: WriteShape): string {
  const table = (name: string): string => qualified(schema, name);
  let parameter = 3;
  const next = (): string => `$${(parameter += 1)}::jsonb`;
  const parts = [
    stepsPart(table),
    ...(shape.events ? [eventsPart(table, next())] : []),
    ...(shape.snapshots ? [snapshotsPart(table, next())] : []),
    ...shape.changes.map((change, index) => `, change_${index} AS (${changePart(schema, change, next())})`),
  ];
  return `${parts.join('')}
SELECT step.n, taken.n IS NOT NULL AS taken, current.n IS NOT NULL AS current
FROM step LEFT JOIN current USING (n) LEFT JOIN taken USING (n)`;
}

function stepsPart(table: (name: string) => string): string {
  const version = (number: string): string =>
    `(SELECT true FROM ${table('events')} WHERE aggregate_type = step.stream_type AND aggregate_id = step.stream_id AND sequence_number = ${number})`;
  return `
WITH step AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset($1::jsonb) AS s(n int, key text, name text, metadata jsonb, elapsed_ms double precision,
    status text, compensation jsonb, result jsonb, stream_type varchar, stream_id varchar, version bigint, read_at timestamptz,
    tracingspancontext text)
), current AS MATERIALIZED (
  SELECT * FROM step WHERE read_at > clock_timestamp() - ${READ_WITHIN} AND (version = 0 OR ${version('version')}) AND ${version('version + 1')} IS NULL
), marked AS (
  INSERT INTO ${table('processed_events')} (idempotency_key, domain, flow_id, step, event_id, trace_id, status, compensation, result,
    started_at, processed_at, expires_at)
  SELECT key, $2::varchar, metadata ->> 'correlation_id', name, metadata ->> 'causation_id', metadata ->> 'trace_id', status, compensation, result,
    at - make_interval(secs => elapsed_ms / 1000), at, at + make_interval(days => $3::int)
  FROM current CROSS JOIN (SELECT clock_timestamp() AS at) AS moment ORDER BY key
  ON CONFLICT DO NOTHING RETURNING idempotency_key
), taken AS MATERIALIZED (
  SELECT * FROM step WHERE key = ANY (ARRAY(SELECT idempotency_key FROM marked))
)`;
}

function eventsPart(table: (name: string) => string, parameter: string): string {
  return `, event AS MATERIALIZED (
  SELECT e.*, t.stream_type, t.stream_id, t.read_at, t.metadata, t.tracingspancontext
  FROM jsonb_to_recordset(${parameter})
    AS e(n int, event_id uuid, version bigint, type varchar, domain varchar, key varchar, route varchar, payload jsonb)
  JOIN taken AS t USING (n)
), appended AS (
  INSERT INTO ${table('events')} (event_id, aggregate_type, aggregate_id, sequence_number, event_type, payload, metadata, created_at)
  SELECT event_id, stream_type, stream_id, version, type, payload, metadata, read_at FROM event
  ORDER BY stream_type, stream_id, version
), published AS (
  INSERT INTO ${table('outbox')} (id, aggregatetype, aggregateid, type, payload, trace_id, request_id, created_at, topic,
    stream_id, version, traceparent, tracestate, tracingspancontext, correlation_id, causation_id)
  SELECT event_id, domain, key, type, payload, metadata ->> 'trace_id', metadata ->> 'request_id', read_at, route, stream_id, version,
    metadata ->> 'traceparent', metadata ->> 'tracestate', tracingspancontext, metadata ->> 'correlation_id', metadata ->> 'causation_id'
  FROM event ORDER BY n, version
)`;
}

function snapshotsPart(table: (name: string) => string, parameter: string): string {
  return `, snapshot AS (
  INSERT INTO ${table('snapshots')} (aggregate_type, aggregate_id, sequence_number, state, state_version, created_at)
  SELECT t.stream_type, t.stream_id, s.version, s.state, s.state_version, t.read_at
  FROM jsonb_to_recordset(${parameter}) AS s(n int, version bigint, state jsonb, state_version int) JOIN taken AS t USING (n)
  ORDER BY t.stream_type, t.stream_id
  ON CONFLICT (aggregate_type, aggregate_id) DO UPDATE SET sequence_number = EXCLUDED.sequence_number,
    state = EXCLUDED.state, state_version = EXCLUDED.state_version, created_at = EXCLUDED.created_at
)`;
}

/** Rows of a table are taken in the order of their keys; an upsert sees to that itself. */
function changePart(schema: string, change: ChangeShape, parameter: string): string {
  const row = `jsonb_populate_record(NULL::${qualified(schema, change.table)}, c.r)`;
  const rows = `jsonb_to_recordset(${parameter}) AS c(n int, r jsonb) JOIN taken USING (n) CROSS JOIN LATERAL ${row} AS r`;
  if (change.op === 'upsert') return shapeStatement(schema, change, rows);
  const keys = change.keys.map((key) => `r.${quoteIdentifier(key)}`).join(', ');
  return shapeStatement(schema, change, `(SELECT r.* FROM ${rows} ORDER BY ${keys} OFFSET 0) AS r`);
}
