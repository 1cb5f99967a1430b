import type { CallName, Calls } from './calls.ts';
import type { EventRecord } from './envelope.ts';
import type { ClassifiedError } from './errors.ts';
import type { Json, JsonObject } from './json.ts';
import { eventRoute } from './names.ts';

/**
 * The public face: what somebody who builds a pipeline writes down. Everything here is data and pure functions; the
 * runtime does the rest. The shipped ECO² domains use nothing else.
 */

// ---------------------------------------------------------------------------------------------------------- events

export interface EventDefinition<T extends string = string, P = unknown> {
  readonly type: T;
  /** The owner: outbox `aggregatetype`, and the first word of the route. */
  readonly domain: string;
  /** What follows `events.` in the topic's name. */
  readonly route: string;
  /** The payload field whose text is the record key (outbox `aggregateid`). */
  readonly keyField: string;
  readonly partitions: number;
  /** `-1`: for ever, where no processor reads the event. Its topic keeps a record for up to twelve hours more. */
  readonly retentionMs: number;
  /** Carries the payload's type; never set. */
  readonly _payload?: P;
}

const DAY_MS = 86_400_000;

export function defineEvent<const T extends string, P>(definition: {
  readonly type: T;
  readonly domain: string;
  readonly keyField: keyof P & string;
  readonly partitions?: number;
  readonly retentionMs?: number;
}): EventDefinition<T, P> {
  return {
    type: definition.type,
    domain: definition.domain,
    route: eventRoute(definition.domain, definition.type),
    keyField: definition.keyField,
    partitions: definition.partitions ?? 3,
    retentionMs: definition.retentionMs ?? 30 * DAY_MS,
  };
}

export type EventOf<D> = D extends EventDefinition<infer T, infer P> ? EventRecord<T, P> : never;

/** An event that a decision wants: type and payload. Ids, versions, time and trace are given when it is appended. */
export interface NewEvent<T extends string = string, P = unknown> {
  readonly type: T;
  readonly payload: P;
}

// ------------------------------------------------------------------------------------------------------- aggregates

/** One row of a state table, changed in the transaction that appends the event. Columns by name; values as JSON or ISO text. */
export type StateChange =
  | { readonly op: 'upsert'; readonly table: string; readonly key: JsonObject; readonly set: JsonObject }
  /** Changes an existing row and none when it is missing. */
  | { readonly op: 'update'; readonly table: string; readonly key: JsonObject; readonly set: JsonObject }
  | { readonly op: 'delete'; readonly table: string; readonly key: JsonObject };

/** An event as its own store holds it, before and without the pipeline. */
export interface StoredEvent<T extends string = string, P = unknown> {
  readonly type: T;
  readonly payload: P;
  readonly version: bigint;
  /** ISO 8601, UTC: the time of the append. */
  readonly occurredAt: string;
}

export interface AggregateDefinition<S = Json, E extends StoredEvent = StoredEvent> {
  /** `aggregate_type` in the event store. */
  readonly type: string;
  /** Raised when the shape of the state changes, so that snapshots of the old shape are not read; 1 when left out. */
  readonly stateVersion?: number;
  initial(id: string): S;
  /** Pure; must accept every event ever stored for the type. */
  evolve(state: S, event: E): S;
  /** The state tables' rows that follow from the event. */
  tables(event: E, id: string): readonly StateChange[];
}

// -------------------------------------------------------------------------------------------- reactions and commands

export interface Decision {
  /** Appended in order; none is a valid decision ("recorded as processed, nothing emitted"). */
  readonly events: readonly NewEvent[];
  /** Rows that change although no event says so. */
  readonly changes?: readonly StateChange[];
  /** Kept with the idempotency key. */
  readonly result?: Json;
  /** What the inbox says of this step of the flow. */
  readonly step?: StepNote;
}

export interface StepNote {
  /** 1 to 64 bytes; `done` when left out. */
  readonly status?: string;
  /** Kept for whoever takes the step back later. */
  readonly compensation?: Json;
}

export const NOTHING: Decision = { events: [] };

/** The rows of a state table of the domain whose columns have these values: 1,000 at most, or the decision fails. */
export interface RowQuery {
  readonly table: string;
  readonly where: JsonObject;
}

export interface ReactionInput<S, E, R> {
  readonly state: S;
  readonly event: E;
  readonly result: R;
  /** Those that the reaction asks for; none when it asks for none. */
  readonly rows: readonly JsonObject[];
}

/** How a group goes on with a record that fails and may pass later. */
export interface RetryDefinition {
  /** Waits before the second, third … attempt, in milliseconds, with jitter; after the last one the record is given up. The deployment's when left out. */
  readonly delaysMs?: readonly number[];
  /** The share, 0 to 1, by which each wait is shortened or drawn out at random, so that many keys do not come back together. 0.2 when left out. */
  readonly jitter?: number;
  /**
   * What becomes of the key when one of its records is given up (it is in the dead letters then): `continue` goes on with what
   * comes behind it; `block` holds the key until an operator says how it goes on. `continue` when left out.
   */
  readonly policy?: 'continue' | 'block';
}

/**
 * One step of the choreography: when `on` arrives, load the aggregate, decide, and commit inbox mark, state, events and
 * outbox rows in one transaction.
 */
export interface Reaction {
  readonly on: string;
  /**
   * The event does not wait behind other events of its key that are parked for a retry, only behind its own kind: for a
   * compensation, which must not wait for what may have failed for the same reason. It must not rely on what those events do.
   */
  readonly overtakes?: boolean;
  readonly aggregate: AggregateDefinition<unknown>;
  aggregateId(event: EventRecord): string;
  /** Derived from the cause; the inbox holds it, so that a repeated event changes nothing. */
  idempotencyKey(event: EventRecord): string;
  /**
   * Who holds this name decides alone, over all processes of the domain, until its transaction has ended. Wanted by a decision
   * over more than its aggregate, whose own version guards it anyway. Waits a bounded time (LOCK_TIMEOUT).
   */
  lock?(event: EventRecord): string;
  /**
   * Rows that the decision needs beside its aggregate, read under the lock: what they say stays true until the decision is
   * committed, as long as whoever changes them takes the same lock.
   */
  rows?(event: EventRecord): RowQuery;
  readonly call?: {
    readonly name: CallName;
    readonly timeoutMs: number;
    /** Undefined: no call is needed for this event; `decide` then gets an undefined result. */
    request(event: EventRecord): Calls[CallName]['request'] | undefined;
    /** When the attempts are used up: decide anyway with this result, instead of dead-lettering the event. */
    exhausted?(error: ClassifiedError): Calls[CallName]['result'];
  };
  decide(input: ReactionInput<unknown, EventRecord, unknown>): Decision;
}

interface TypedReaction<D extends EventDefinition, S, E extends StoredEvent, C extends CallName> {
  readonly on: D;
  readonly overtakes?: boolean;
  readonly aggregate: AggregateDefinition<S, E>;
  aggregateId(event: EventOf<D>): string;
  idempotencyKey(event: EventOf<D>): string;
  lock?(event: EventOf<D>): string;
  rows?(event: EventOf<D>): RowQuery;
  readonly call?: {
    readonly name: C;
    readonly timeoutMs: number;
    request(event: EventOf<D>): Calls[C]['request'] | undefined;
    exhausted?(error: ClassifiedError): Calls[C]['result'];
  };
  decide(input: ReactionInput<S, EventOf<D>, Calls[C]['result'] | undefined>): Decision;
}

/**
 * Checks a reaction against its event's payload and its aggregate's state, then forgets the types so that lists can hold it.
 * @throws RangeError when it asks for rows and holds no lock: they may have changed before it is committed.
 */
export function defineReaction<D extends EventDefinition, S, E extends StoredEvent, C extends CallName = never>(
  reaction: TypedReaction<D, S, E, C>,
): Reaction {
  assertLocked(`the reaction to ${reaction.on.type}`, reaction);
  return { ...reaction, on: reaction.on.type };
}

function assertLocked(name: string, { lock, rows }: { readonly lock?: unknown; readonly rows?: unknown }): void {
  if (rows !== undefined && lock === undefined) throw new RangeError(`${name} asks for rows and holds no lock`);
}

export interface ProcessorDefinition {
  /** The domain in whose database the effects are committed; one consumer group per domain. */
  readonly domain: string;
  readonly reactions: readonly Reaction[];
  readonly retry?: RetryDefinition;
}

/** @throws RangeError when two reactions of one processor wait for the same event: one group reads a record once. */
export function defineProcessor(definition: ProcessorDefinition): ProcessorDefinition {
  const seen = new Set<string>();
  for (const reaction of definition.reactions) {
    if (seen.has(reaction.on)) throw new RangeError(`processor ${definition.domain} reacts twice to ${reaction.on}`);
    seen.add(reaction.on);
  }
  return definition;
}

/** A refusal that the caller can understand; nothing is committed. */
export interface Rejection {
  /** A short code; it ends with `_not_found` when what the command is about is not there, or is somebody else's. */
  readonly rejected: string;
  readonly detail: string;
}

export interface CommandDefinition<C, S, E extends StoredEvent> {
  readonly name: string;
  readonly domain: string;
  readonly aggregate: AggregateDefinition<S, E>;
  aggregateId(command: C): string;
  /** As a reaction's. */
  lock?(command: C): string;
  /** As a reaction's. */
  rows?(command: C): RowQuery;
  /** @param rows those that the command asks for. */
  decide(state: S, command: C, rows: readonly JsonObject[]): Decision | Rejection;
}

/** @throws RangeError when it asks for rows and holds no lock. */
export function defineCommand<C, S, E extends StoredEvent>(definition: CommandDefinition<C, S, E>): CommandDefinition<C, S, E> {
  assertLocked(`the command ${definition.name}`, definition);
  return definition;
}

// ----------------------------------------------------------------------------------------------------------- domains

export interface DomainDefinition {
  /** Database, schema and configuration name. */
  readonly name: string;
  readonly events: readonly EventDefinition[];
  readonly aggregates: readonly AggregateDefinition<unknown, never>[];
  readonly processor?: ProcessorDefinition;
  /** False for the platform and for read-only domains: no outbox, no slot. */
  readonly captured: boolean;
  /** Reference data that the deployment brings along. */
  readonly seeds?: readonly SeedRows[];
  /** Tables whose every change goes to a `cdc.*` topic, by Debezium alone. */
  readonly tables?: readonly TableCapture[];
}

/** A whole table of a domain as a topic: what changed, as Debezium's change envelope. */
export interface TableCapture {
  readonly table: string;
  /** What follows `cdc.<domain>.` in the topic's name. */
  readonly topic: string;
  /** The column whose text is the record key. */
  readonly keyField: string;
  readonly partitions?: number;
  readonly retentionMs?: number;
}

/** Rows that must be there with these values; other rows of the table are left alone. */
export interface SeedRows {
  readonly table: string;
  readonly key: readonly string[];
  readonly rows: readonly JsonObject[];
}

export function defineDomain(definition: DomainDefinition): DomainDefinition {
  for (const event of definition.events) {
    if (event.domain !== definition.name) throw new RangeError(`event ${event.type} belongs to ${event.domain}, not ${definition.name}`);
  }
  const topics = new Set<string>();
  for (const { topic } of definition.tables ?? []) {
    if (topics.has(topic)) throw new RangeError(`two tables of ${definition.name} go to cdc.${definition.name}.${topic}`);
    topics.add(topic);
  }
  return definition;
}

// ------------------------------------------------------------------------------------------------------------- sagas

/** What shows that a flow came to an end: an event of the flow, or a step that a domain's inbox holds. */
export type EndEvidence =
  | { readonly kind: 'event'; readonly type: string; holds(payload: unknown): boolean }
  | { readonly kind: 'step'; readonly domain: string; readonly on: string };

/** One way in which a flow ends: all of its evidence is there, in any order. */
export interface SagaEnd {
  readonly name: string;
  readonly all: readonly EndEvidence[];
}

/** What is decided in place of a step that will not come by itself any more. */
export interface OverdueStep {
  /** Whose place it takes: its domain, aggregate and idempotency key, so that only one of the two can take effect. */
  readonly reaction: Reaction;
  readonly action: 'finish' | 'compensate';
  /** Pure. `event` is the one that the step waits for, read from its event store. */
  decide(input: Omit<ReactionInput<unknown, EventRecord, never>, 'result'>): Decision;
}

/** A flow of the choreography as somebody who waits for it sees it. A flow is what one correlation id holds together. */
export interface SagaDefinition {
  readonly name: string;
  /** The event types that begin it. */
  readonly begins: readonly string[];
  /** The first one whose evidence is there is how it ended. */
  readonly ends: readonly SagaEnd[];
  /** From the time of the first event. Longer than the retry ladder: what is retried is not overdue. */
  readonly deadlineMs: number;
  /** For every step that is not named here an overdue flow is reported, and nothing else. */
  readonly overdue: readonly OverdueStep[];
}
