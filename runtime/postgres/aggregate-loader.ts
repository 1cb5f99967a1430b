import type { AggregateDefinition, StoredEvent } from '../../core/define.ts';
import { classified, ClassifiedError } from '../../core/errors.ts';
import type { LoadedAggregate } from '../../core/unit-of-work.ts';
import type { Session } from './database.ts';
import { qualified } from './identifiers.ts';

interface EventStoreRow {
  readonly sequence_number: bigint;
  readonly event_type: string;
  readonly payload: unknown;
  readonly created_at: string;
}

interface LoadRow extends Partial<Pick<EventStoreRow, 'payload'>> {
  readonly read_at: string;
  /** Null in the one row of a stream without events. */
  readonly sequence_number: bigint | null;
  /** Null in the row of the snapshot. */
  readonly event_type: string | null;
  readonly created_at: string;
}

export interface AggregateRead<S> extends LoadedAggregate<S> {
  /**
   * The server's time, read by the statement that read the stream: later than the append of every event in it, so that the
   * times within a stream never fall as long as the server's clock does not.
   */
  readonly readAt: string;
}

/** Latest snapshot of the same shape plus later events, in one statement and so of one moment. */
export async function loadAggregate<S, E extends StoredEvent>(
  session: Session,
  schema: string,
  aggregate: AggregateDefinition<S, E>,
  id: string,
): Promise<AggregateRead<S>> {
  const rows = await session.prepared<LoadRow>(loadStatement(schema), [aggregate.type, id, stateVersion(aggregate)]);
  const [first] = rows;
  if (first === undefined) throw new ClassifiedError('UNCLASSIFIED', 'the load statement returned no row');
  const fromSnapshot = first.sequence_number !== null && first.event_type === null;
  const start = fromSnapshot
    ? { state: first.payload as S, version: first.sequence_number }
    : { state: decided(() => aggregate.initial(id)), version: 0n };
  const events = (fromSnapshot ? rows.slice(1) : rows).filter((row): row is LoadRow & EventStoreRow => row.sequence_number !== null);
  return { ...fold(aggregate, start, events.map(storedEvent)), readAt: first.read_at };
}

/**
 * The aggregate as it was at a time (ISO 8601): folded from its first event to the last one before anything later happened.
 * Reads the whole stream up to then and uses no snapshot: made for audits, not for commands.
 */
export async function stateAt<S, E extends StoredEvent>(
  session: Session,
  schema: string,
  aggregate: AggregateDefinition<S, E>,
  id: string,
  timestamp: string,
): Promise<LoadedAggregate<S>> {
  const events = qualified(schema, 'events');
  const rows = await session.query<EventStoreRow>(
    `SELECT sequence_number, event_type, payload, created_at FROM ${events}
     WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence_number < coalesce((
       SELECT min(sequence_number) FROM ${events} WHERE aggregate_type = $1 AND aggregate_id = $2 AND created_at > $3::timestamptz
     ), 9223372036854775807)
     ORDER BY sequence_number`,
    [aggregate.type, id, timestamp],
  );
  return fold(aggregate, { state: decided(() => aggregate.initial(id)), version: 0n }, rows.map(storedEvent));
}

/** @throws ClassifiedError STATE_INVALID when a version is missing, DECISION_FAILED when `evolve` throws. */
export function fold<S, E extends StoredEvent>(
  aggregate: AggregateDefinition<S, E>,
  start: LoadedAggregate<S>,
  events: readonly StoredEvent[],
): LoadedAggregate<S> {
  let { state, version } = start;
  for (const event of events) {
    if (event.version !== version + 1n) {
      throw new ClassifiedError('STATE_INVALID', `a stream of ${aggregate.type} has no version ${version + 1n} although later ones exist`);
    }
    state = decided(() => aggregate.evolve(state, event as E));
    version = event.version;
  }
  return { state, version };
}

export function stateVersion(aggregate: { readonly stateVersion?: number }): number {
  return aggregate.stateVersion ?? 1;
}

/** Runs a piece of a decision; what it throws is its own bug, and its message may quote a payload. */
export function decided<T>(decide: () => T): T {
  try {
    return decide();
  } catch (error) {
    throw classified(error, 'DECISION_FAILED', 'an aggregate threw');
  }
}

function storedEvent(row: EventStoreRow): StoredEvent {
  return { type: row.event_type, payload: row.payload, version: row.sequence_number, occurredAt: row.created_at };
}

function loadStatement(schema: string): string {
  return `
WITH snapshot AS (
  SELECT sequence_number, state, created_at FROM ${qualified(schema, 'snapshots')}
  WHERE aggregate_type = $1 AND aggregate_id = $2 AND state_version = $3
)
SELECT clock_timestamp() AS read_at, found.* FROM (VALUES (1)) AS always
LEFT JOIN (
  SELECT sequence_number, NULL AS event_type, state AS payload, created_at FROM snapshot
  UNION ALL
  SELECT sequence_number, event_type, payload, created_at FROM ${qualified(schema, 'events')}
  WHERE aggregate_type = $1 AND aggregate_id = $2
    AND sequence_number > coalesce((SELECT sequence_number FROM snapshot), 0)
) AS found ON true
ORDER BY found.sequence_number`;
}
