import type { Decision } from '../../core/define.ts';
import type { Json } from '../../core/json.ts';
import type { Cause, FlowStep } from '../../core/unit-of-work.ts';
import type { Session } from './database.ts';
import { qualified } from './identifiers.ts';

/** Width of the columns of a flow. What comes from a foreign record may be longer; it serves tracing only, and fails no step. */
const ID_LENGTH = 64;

/** Takes the key, and says which step of which flow it stands for. One row when it was taken, none when somebody had it. */
export function markStatement(schema: string): string {
  return `
INSERT INTO ${qualified(schema, 'processed_events')}
  (idempotency_key, domain, flow_id, step, event_id, trace_id, started_at, processed_at, expires_at)
SELECT $1::text, $2::varchar, $3::varchar, $4::text, $5::varchar, $6::varchar, at - make_interval(secs => $7::double precision / 1000), at, at + make_interval(days => $8::int)
FROM (SELECT clock_timestamp() AS at) AS moment
ON CONFLICT DO NOTHING RETURNING true AS marked`;
}

export function markValues(
  key: string,
  domain: string,
  retentionDays: number,
  cause: Cause,
  step: FlowStep | undefined,
): readonly unknown[] {
  const { flowId, eventId, traceId } = flowColumns(cause);
  return [key, domain, flowId, step?.name ?? null, eventId, traceId, step?.elapsedMs ?? null, retentionDays];
}

/** Whether the key is taken, as far as committed. Rejects with POSTGRES_UNAVAILABLE. */
export async function isProcessed(session: Session, schema: string, key: string): Promise<boolean> {
  const rows = await session.prepared(`SELECT 1 FROM ${qualified(schema, 'processed_events')} WHERE idempotency_key = $1`, [key]);
  return rows.length > 0;
}

/** The result kept with a committed key; undefined when the key is not there. Rejects with POSTGRES_UNAVAILABLE. */
export async function readOutcome(session: Session, schema: string, key: string): Promise<Json | undefined> {
  const table = qualified(schema, 'processed_events');
  const [row] = await session.prepared<{ result: Json }>(`SELECT result FROM ${table} WHERE idempotency_key = $1`, [key]);
  return row?.result;
}

/** The columns that a step has from its cause. */
export function flowColumns(cause: Cause): { readonly flowId: string | null; readonly eventId: string | null; readonly traceId: string } {
  return {
    flowId: cause.correlationId?.slice(0, ID_LENGTH) ?? null,
    eventId: cause.causationId?.slice(0, ID_LENGTH) ?? null,
    traceId: cause.trace.traceId.slice(0, ID_LENGTH),
  };
}

export function keepOutcomeStatement(schema: string): string {
  return `
UPDATE ${qualified(schema, 'processed_events')}
SET result = $2::jsonb, status = $3::text, compensation = $4::jsonb, flow_id = coalesce(flow_id, $5::varchar), processed_at = clock_timestamp()
WHERE idempotency_key = $1`;
}

export function keepOutcomeValues(
  key: string,
  flowId: string | undefined,
  decision: Pick<Decision, 'result' | 'step'>,
): readonly unknown[] {
  const { result, step } = decision;
  return [key, jsonText(result), step?.status ?? 'done', jsonText(step?.compensation), flowId?.slice(0, ID_LENGTH) ?? null];
}

function jsonText(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
