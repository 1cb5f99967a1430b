import assert from 'node:assert/strict';
import type {
  AggregateDefinition,
  CommandDefinition,
  Decision,
  NewEvent,
  OverdueStep,
  Reaction,
  Rejection,
  StateChange,
  StoredEvent,
} from '../../core/define.ts';
import type { EventRecord } from '../../core/envelope.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import { substitute } from '../../core/saga.ts';
import { createPayloadValidator } from '../../schemas/validator.ts';
import { applyChanges } from './state-tables.ts';

/** When every event of the kit happened. */
export const OCCURRED_AT = '2026-03-01T09:00:00.000001Z';

export interface Expected {
  /** What is appended, in order. Left out: nothing. */
  readonly events?: readonly NewEvent[];
  /** The rows of the named tables after past and decision. Left out: not looked at. */
  readonly tables?: Readonly<Record<string, readonly JsonObject[]>>;
  /** What is kept with the idempotency key. Left out: not looked at. */
  readonly result?: Json;
}

export interface Decided {
  /** @throws AssertionError */
  then(expected: Expected | { readonly rejected: string }): void;
}

export interface Given<S, E extends StoredEvent> {
  /** @throws AssertionError when the reaction does not wait for the event or belongs to another aggregate. */
  when(reaction: Reaction, event: EventRecord, callResult?: unknown): Decided;
  when<C>(command: CommandDefinition<C, S, E>, input: C): Decided;
  /** What a saga decides in place of a step. */
  when(overdue: OverdueStep, event: EventRecord): Decided;
}

/**
 * given(aggregate, id, past).when(reaction, event, callResult?).then(expected), or with a command and its input.
 * Beside what is expected it holds every decision to what the runtime relies on: the same input gives the same decision,
 * the state is not changed in place and survives a snapshot, and every payload fits its schema.
 */
export function given<S, E extends StoredEvent>(
  aggregate: AggregateDefinition<S, E>,
  id: string,
  past: readonly NewEvent[] = [],
): Given<S, E> {
  const history = stored<E>(past, 0n);
  const state = frozen(history.reduce((before, event) => aggregate.evolve(before, event), aggregate.initial(id)));
  assert.deepEqual(JSON.parse(JSON.stringify(state)), state, 'the state does not survive a snapshot');

  const decided = (decide: () => Decision | Rejection): Decided => {
    const decision = decide();
    assert.deepEqual(decide(), decision, 'the same input was decided differently');
    return { then: (expected) => check(aggregate, id, { history, state }, decision, expected) };
  };
  return {
    when(subject: Reaction | OverdueStep | CommandDefinition<unknown, S, E>, input: unknown, callResult?: unknown): Decided {
      if ('reaction' in subject) {
        return this.when(substitute(subject), input as EventRecord);
      }
      assert.equal(subject.aggregate, aggregate, 'it decides over another aggregate');
      if (!('on' in subject)) {
        assert.equal(subject.aggregateId(input), id, 'it decides over another id');
        return decided(() => subject.decide(state, input, []));
      }
      const event = input as EventRecord;
      assert.equal(event.type, subject.on, 'it does not wait for this event');
      assert.equal(subject.aggregateId(event), id, 'it decides over another id');
      validator.validate(event.type, event.payload);
      if (callResult !== undefined) assert.notEqual(subject.call?.request(event), undefined, 'it makes no call for this event');
      return decided(() => subject.decide({ state, event, result: callResult, rows: [] }));
    },
  };
}

const validator = createPayloadValidator();

function check<S, E extends StoredEvent>(
  aggregate: AggregateDefinition<S, E>,
  id: string,
  before: { readonly history: readonly E[]; readonly state: S },
  decision: Decision | Rejection,
  expected: Expected | { readonly rejected: string },
): void {
  if ('rejected' in expected || 'rejected' in decision) {
    assert.equal('rejected' in decision ? decision.rejected : undefined, 'rejected' in expected ? expected.rejected : undefined);
    return;
  }
  assert.deepEqual(decision.events, expected.events ?? []);
  const appended = stored<E>(decision.events, BigInt(before.history.length));
  appended.reduce((state, event) => frozen(aggregate.evolve(state, event)), before.state);
  if (expected.tables !== undefined) {
    const changes: StateChange[] = [...before.history, ...appended].flatMap((event) => aggregate.tables(event, id));
    const tables = applyChanges([...changes, ...(decision.changes ?? [])]);
    for (const [table, rows] of Object.entries(expected.tables)) assert.deepEqual(tables.get(table) ?? [], rows, `rows of ${table}`);
  }
  if (expected.result !== undefined) assert.deepEqual(decision.result, expected.result);
}

function stored<E extends StoredEvent>(events: readonly NewEvent[], after: bigint): E[] {
  return events.map(({ type, payload }, index) => {
    validator.validate(type, payload);
    return frozen({ type, payload, version: after + BigInt(index) + 1n, occurredAt: OCCURRED_AT }) as StoredEvent as E;
  });
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) frozen(inner);
    Object.freeze(value);
  }
  return value;
}
