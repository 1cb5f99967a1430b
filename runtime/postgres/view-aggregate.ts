import type { AggregateDefinition } from '../../core/define.ts';
import { loadAggregate, stateAt } from './aggregate-loader.ts';
import type { Session } from './database.ts';
import { qualified } from './identifiers.ts';

/** An event of the history, as the event store holds it. */
export interface ViewedEvent {
  readonly version: bigint;
  readonly id: string;
  readonly type: string;
  /** ISO 8601, UTC. */
  readonly occurredAt: string;
  readonly traceId: string | undefined;
  readonly causationId: string | undefined;
  readonly payload: unknown;
}

export interface AggregateView {
  /** 0: there is no such aggregate, or was none yet. */
  readonly version: bigint;
  readonly state: unknown;
  /** The newest ones up to the version, in order; none when `events` is 0. */
  readonly history: readonly ViewedEvent[];
}

interface EventRow {
  readonly sequence_number: bigint;
  readonly event_id: string;
  readonly event_type: string;
  readonly created_at: string;
  readonly metadata: Readonly<Partial<Record<string, string>>>;
  readonly payload: unknown;
}

/**
 * What an aggregate is, or was at a time (ISO 8601), and the events that made it so. For people who look into it.
 * Rejects with POSTGRES_UNAVAILABLE, STATE_INVALID when a version is missing, DECISION_FAILED when `evolve` throws.
 */
export async function viewAggregate(
  session: Session,
  schema: string,
  aggregate: AggregateDefinition<unknown>,
  id: string,
  options: { readonly at?: string | undefined; readonly events: number },
): Promise<AggregateView> {
  const { version, state } =
    options.at === undefined
      ? await loadAggregate(session, schema, aggregate, id)
      : await stateAt(session, schema, aggregate, id, options.at);
  const rows = await session.query<EventRow>(
    `SELECT * FROM (
       SELECT sequence_number, event_id, event_type, created_at, metadata, payload FROM ${qualified(schema, 'events')}
       WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence_number <= $3 ORDER BY sequence_number DESC LIMIT $4
     ) AS newest ORDER BY sequence_number`,
    [aggregate.type, id, version.toString(), options.events],
  );
  return { version, state, history: rows.map(viewedEvent) };
}

function viewedEvent(row: EventRow): ViewedEvent {
  return {
    version: row.sequence_number,
    id: row.event_id,
    type: row.event_type,
    occurredAt: row.created_at,
    traceId: row.metadata['trace_id'],
    causationId: row.metadata['causation_id'],
    payload: row.payload,
  };
}
