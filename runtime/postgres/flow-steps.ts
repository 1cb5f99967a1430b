import type { Json } from '../../core/json.ts';
import type { Session } from './database.ts';
import { qualified } from './identifiers.ts';

/** A step that a domain's inbox holds. Times are ISO 8601, UTC. */
export interface StepRow {
  readonly idempotency_key: string;
  /** Null for a step of before this was written down. */
  readonly started_at: string | null;
  readonly processed_at: string;
  readonly status: string;
  readonly result: Json;
}

/** The steps with these keys that are committed. Rejects with POSTGRES_UNAVAILABLE. */
export async function readSteps(session: Session, domain: string, keys: readonly string[]): Promise<readonly StepRow[]> {
  if (keys.length === 0) return [];
  return session.query<StepRow>(
    `SELECT idempotency_key, started_at, processed_at, status, result FROM ${qualified(domain, 'processed_events')}
      WHERE idempotency_key = ANY ($1::text[])`,
    [keys],
  );
}

/** Where a record stands in its topic. */
interface RecordPlace {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

export interface ParkedPlace extends RecordPlace {
  readonly attempt: number;
  readonly dueAt: string;
  /** Its lane waits for a person. */
  readonly blocked: boolean;
  readonly errorCode: string | undefined;
}

/** Those of the records that are parked. Rejects with POSTGRES_UNAVAILABLE. */
export async function readParked(session: Session, schema: string, places: readonly RecordPlace[]): Promise<readonly ParkedPlace[]> {
  if (places.length === 0) return [];
  const rows = await session.query<{
    group_name: string;
    topic: string;
    partition: number;
    record_offset: bigint;
    attempt: number;
    due_at: string;
    is_blocked: boolean;
    error_code: string | null;
  }>(
    `SELECT p.group_name, p.topic, p.partition, p.record_offset, p.attempt, p.due_at, p.error_code, p.blocked_since IS NOT NULL AS is_blocked
       FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[]) AS wanted(group_name, topic, partition, record_offset)
       JOIN ${qualified(schema, 'parked_records')} p USING (group_name, topic, partition, record_offset)`,
    [
      places.map(({ group }) => group),
      places.map(({ topic }) => topic),
      places.map(({ partition }) => partition),
      places.map(({ offset }) => offset.toString()),
    ],
  );
  return rows.map((row) => ({
    group: row.group_name,
    topic: row.topic,
    partition: row.partition,
    offset: row.record_offset,
    attempt: row.attempt,
    dueAt: row.due_at,
    blocked: row.is_blocked,
    errorCode: row.error_code ?? undefined,
  }));
}
