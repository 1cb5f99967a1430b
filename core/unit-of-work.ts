import type { AggregateDefinition, Decision, NewEvent, RowQuery, StateChange, StoredEvent } from './define.ts';
import type { EventId } from './envelope.ts';
import type { JsonObject } from './json.ts';
import type { TraceContext } from './trace.ts';

/** Why a transaction runs: what its events carry in their trace and causation columns. */
export interface Cause {
  readonly trace: TraceContext;
  /** The flow; left out when this transaction begins one (its first event's id becomes the flow's id). */
  readonly correlationId?: string;
  /** The event that is reacted to; left out for a command. */
  readonly causationId?: string;
}

/**
 * The only door to state, events, outbox and inbox of a domain: one PostgreSQL transaction. When `run` resolves, all of
 * it is durable; when it rejects, none of it is, except that a connection lost during COMMIT leaves it unknown, which
 * idempotency keys absorb. Rejects with POSTGRES_UNAVAILABLE, POSTGRES_SERIALIZATION, VERSION_CONFLICT, STATE_INVALID,
 * PAYLOAD_INVALID, or what `work` threw.
 */
export interface UnitOfWork {
  readonly domain: string;
  run<T>(cause: Cause, work: (tx: UnitOfWorkTransaction) => Promise<T>): Promise<T>;
}

export interface LoadedAggregate<S> {
  readonly state: S;
  /** The version of the last event, 0 for none: what `append` expects. */
  readonly version: bigint;
}

export interface AppendedEvent {
  readonly id: EventId;
  readonly type: string;
  readonly version: bigint;
}

/** The step of a flow that an idempotency key stands for. Flow, causing event and trace come from the transaction's cause. */
export interface FlowStep {
  /** `<domain>:<event type>` of a reaction, or the name of a command. */
  readonly name: string;
  /** Milliseconds since its work began, a declared call included. */
  readonly elapsedMs: number;
}

export interface UnitOfWorkTransaction {
  /**
   * Takes a name that one transaction of the domain holds at a time, over all processes, until it ends. Rejects with
   * LOCK_TIMEOUT. Taken first: what is loaded afterwards is what the holder before left.
   */
  lock(name: string): Promise<void>;
  /** Rejects with STATE_INVALID when there are more than 1,000. */
  rows(query: RowQuery): Promise<readonly JsonObject[]>;
  /**
   * Marks the key in the inbox. False: it was there already, committed; then nothing else may be written. Waits for a
   * concurrent holder.
   */
  markProcessed(idempotencyKey: string, step?: FlowStep): Promise<boolean>;
  /** Keeps with a key that this transaction marked what was decided: result, status, compensation, and the flow that it began. */
  keepOutcome(idempotencyKey: string, decision: Pick<Decision, 'result' | 'step'>): Promise<void>;
  /** Latest snapshot plus later events, folded. */
  load<S, E extends StoredEvent>(aggregate: AggregateDefinition<S, E>, id: string): Promise<LoadedAggregate<S>>;
  /**
   * Appends events rows and outbox rows in one statement and changes the state tables as the aggregate declares. The
   * payloads are validated against their schemas first, so that poison cannot enter the outbox.
   */
  append<S, E extends StoredEvent>(
    aggregate: AggregateDefinition<S, E>,
    id: string,
    expectedVersion: bigint,
    events: readonly NewEvent[],
  ): Promise<readonly AppendedEvent[]>;
  change(changes: readonly StateChange[]): Promise<void>;
}
