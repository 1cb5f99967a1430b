import { qualified } from '../identifiers.ts';

/** One line of the statement's parameter. */
export interface WantedStep {
  readonly n: number;
  readonly key: string;
  readonly type: string;
  readonly id: string;
  /** Of the aggregate's state: a snapshot of another shape is not read. */
  readonly shape: number;
}

/** In order of step and version: first a head (no event type) with the snapshot, then the events that follow it. None for a key that is taken. */
export interface FoundRow {
  readonly n: number;
  /** Of a head: 0 when there is no snapshot. */
  readonly sequence_number: bigint;
  readonly event_type: string | null;
  readonly payload: unknown;
  readonly created_at: string;
  readonly read_at: string;
}

/**
 * The basis of many decisions in one statement and so of one moment. Lookups are written as subqueries per row, because they
 * must stay index lookups: joins would be planned for tables as small as they were when the plan was made.
 */
export function readStatement(schema: string): string {
  return `
WITH wanted AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset($1::jsonb) AS w(n int, key text, type varchar, id varchar, shape int)
  WHERE (SELECT true FROM ${qualified(schema, 'processed_events')} WHERE idempotency_key = w.key) IS NULL
), head AS MATERIALIZED (
  SELECT w.n, w.type, w.id, s.sequence_number, s.state FROM wanted AS w LEFT JOIN LATERAL (
    SELECT sequence_number, state FROM ${qualified(schema, 'snapshots')}
    WHERE aggregate_type = w.type AND aggregate_id = w.id AND state_version = w.shape OFFSET 0
  ) AS s ON true
)
SELECT found.*, (SELECT clock_timestamp()) AS read_at FROM (
  SELECT n, coalesce(sequence_number, 0) AS sequence_number, NULL::varchar AS event_type, state AS payload, NULL::timestamptz AS created_at
  FROM head
  UNION ALL
  SELECT head.n, e.sequence_number, e.event_type, e.payload, e.created_at FROM head CROSS JOIN LATERAL (
    SELECT sequence_number, event_type, payload, created_at FROM ${qualified(schema, 'events')}
    WHERE aggregate_type = head.type AND aggregate_id = head.id AND sequence_number > coalesce(head.sequence_number, 0) OFFSET 0
  ) AS e
) AS found ORDER BY n, sequence_number`;
}
