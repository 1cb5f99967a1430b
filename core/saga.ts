import type { CallName, Calls } from './calls.ts';
import type {
  AggregateDefinition,
  Decision,
  EndEvidence,
  EventDefinition,
  EventOf,
  OverdueStep,
  Reaction,
  SagaDefinition,
  StoredEvent,
} from './define.ts';

/** How a saga is written down; see `SagaDefinition` for what each part means. */
interface SagaDeclaration {
  readonly name: string;
  readonly begins: readonly EventDefinition[];
  /** By the name of the end, in the order in which they are looked for. */
  readonly ends: Readonly<Record<string, readonly EndEvidence[]>>;
  readonly deadlineMs: number;
  readonly overdue?: readonly OverdueStep[];
}

/** @throws RangeError for a saga that could never begin or end, or that decides twice in place of one step. */
export function defineSaga({ name, begins, ends, deadlineMs, overdue = [] }: SagaDeclaration): SagaDefinition {
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(name)) throw new RangeError('a saga is named in lower-case letters, digits and dashes, at most 64');
  if (begins.length === 0) throw new RangeError(`saga ${name} names no event that begins it`);
  if (!(deadlineMs > 0)) throw new RangeError(`saga ${name} has no deadline`);
  const named = Object.entries(ends).map(([end, all]) => ({ name: end, all }));
  if (named.length === 0 || named.some(({ all }) => all.length === 0)) throw new RangeError(`saga ${name} has an end without evidence`);
  const replaced = overdue.map(({ reaction }) => reaction);
  if (new Set(replaced).size < replaced.length) throw new RangeError(`saga ${name} decides twice in place of one step`);
  return { name, begins: begins.map(({ type }) => type), ends: named, deadlineMs, overdue };
}

/** Evidence: an event of the flow happened, and its payload says what was asked. */
export function happened<D extends EventDefinition>(definition: D, holds?: (payload: EventOf<D>['payload']) => boolean): EndEvidence {
  return {
    kind: 'event',
    type: definition.type,
    holds: holds === undefined ? () => true : (payload) => holds(payload),
  };
}

/** Evidence: the domain has reacted to an event of the flow, whatever it decided. */
export function reactedTo(domain: string, definition: EventDefinition): EndEvidence {
  return { kind: 'step', domain, on: definition.type };
}

/**
 * Decides in place of a reaction whose step will not come by itself any more. Event and aggregate are the reaction's own and
 * are named again for their types.
 * @throws RangeError when they are others.
 */
export function inPlaceOf<D extends EventDefinition, S, E extends StoredEvent>(
  reaction: Reaction,
  step: {
    readonly on: D;
    readonly aggregate: AggregateDefinition<S, E>;
    readonly action: OverdueStep['action'];
    decide(input: { readonly state: S; readonly event: EventOf<D> }): Decision;
  },
): OverdueStep {
  if (reaction.on !== step.on.type || reaction.aggregate.type !== step.aggregate.type) {
    throw new RangeError(`a decision in place of the reaction to ${reaction.on} names another event or aggregate`);
  }
  return {
    reaction,
    action: step.action,
    decide: ({ state, event }) => step.decide({ state, event } as { readonly state: S; readonly event: EventOf<D> }),
  };
}

/**
 * Makes the step after all, by the reaction's own decision over the event as its store holds it; where it declares a call, with
 * this result in the place of the call's.
 * @throws RangeError for a call without such a result, or a result without a call.
 */
export function madeUpFor(reaction: Reaction, result?: Calls[CallName]['result']): OverdueStep {
  if ((reaction.call === undefined) !== (result === undefined)) {
    throw new RangeError(`the reaction to ${reaction.on} is made up for with a result exactly when it declares a call`);
  }
  return { reaction, action: 'finish', decide: (input) => reaction.decide({ ...input, result }) };
}

/** The decision in place of a step as a reaction: the same event, aggregate, key and lock, and no call. */
export function substitute(overdue: OverdueStep): Reaction {
  const { call: _made, ...reaction } = overdue.reaction;
  return { ...reaction, decide: ({ state, event, rows }) => overdue.decide({ state, event, rows }) };
}
