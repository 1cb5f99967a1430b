import type { PipelineDefinition } from '../../core/define-pipeline.ts';
import type { EndEvidence, Reaction, SagaDefinition } from '../../core/define.ts';
import type { EventRecord } from '../../core/envelope.ts';
import type { Json } from '../../core/json.ts';

/** A step as the inbox of its domain holds it. Times are ISO 8601, UTC. */
export interface StepDone {
  /** When its work began, its call included; undefined for a step of before this was written down. */
  readonly startedAt: string | undefined;
  readonly endedAt: string;
  readonly status: string;
  readonly result: Json;
}

/** A step that the pipeline takes for an event, made or not: who reacts to it. */
export interface ExpectedStep {
  readonly domain: string;
  readonly reaction: Reaction;
  readonly event: EventRecord;
  /** The idempotency key; undefined when the reaction throws over it, as for a payload that is not its event's. */
  readonly key: string | undefined;
  /** Undefined: the event's group has not finished with it, as far as is known. */
  readonly done: StepDone | undefined;
  /** The inbox could not be read: whether the step was made is not known. */
  readonly unread: boolean;
}

/** A step of which the inbox was not asked yet. */
export type BareStep = Omit<ExpectedStep, 'done' | 'unread'>;

/** What one correlation id holds together, in the order of the events' times. */
export interface Flow {
  readonly id: string;
  readonly events: readonly EventRecord[];
  readonly steps: readonly ExpectedStep[];
  /** What could not be looked at, in words: what is missing in such a flow is not known to be missing. */
  readonly gaps: readonly string[];
  /** By event id, the type of its aggregate as its store has it. */
  readonly aggregateTypes?: ReadonlyMap<string, string>;
}

export type Verdict =
  | { readonly status: 'ended'; readonly end: string; readonly endedAt: string }
  /** `waiting`: the steps that have not come. None, and no end: a decision led nowhere. */
  | { readonly status: 'running' | 'overdue'; readonly waiting: readonly ExpectedStep[] };

/**
 * Its call was refused, or failed until its attempts were used up, and the decision was made all the same: by what it kept of it,
 * `rejected` as its `outcome` or `status`. Pure.
 */
export function hasFailedCall({ reaction, done }: ExpectedStep): boolean {
  const result = done?.result;
  if (reaction.call === undefined || typeof result !== 'object' || result === null || Array.isArray(result)) return false;
  const { outcome, status } = result as Readonly<Record<string, Json>>;
  return outcome === 'rejected' || status === 'rejected';
}

/** The name that the inbox gives to a step. */
export function stepName(domain: string, on: string): string {
  return `${domain}:${on}`;
}

/** Every step that these events lead to, whether it was made or not. */
export function expectedSteps(pipeline: PipelineDefinition, events: readonly EventRecord[]): readonly BareStep[] {
  return events.flatMap((event) =>
    pipeline.domains.flatMap(({ name, processor }) =>
      (processor?.reactions ?? [])
        .filter(({ on }) => on === event.type)
        .map((reaction) => ({ domain: name, reaction, event, key: keyOf(reaction, event) })),
    ),
  );
}

/**
 * How a flow stands by what has happened in it. An end counts however late it came; a flow that has none is overdue from its
 * deadline on. Pure. Times are ISO 8601, UTC, with microseconds.
 */
export function judgeFlow(
  saga: SagaDefinition,
  { events, steps }: Flow,
  at: { readonly deadlineAt: string; readonly now: string },
): Verdict {
  for (const { name, all } of saga.ends) {
    const found = all.map((evidence) =>
      evidence.kind === 'event'
        ? events.find(({ type, payload }) => type === evidence.type && says(evidence, payload))?.occurredAt
        : steps.find(({ domain, event, done }) => domain === evidence.domain && event.type === evidence.on && done !== undefined)?.done
            ?.endedAt,
    );
    const times = found.filter((at) => at !== undefined);
    if (times.length === all.length) return { status: 'ended', end: name, endedAt: latest(times) };
  }
  return { status: at.now >= at.deadlineAt ? 'overdue' : 'running', waiting: steps.filter(({ done }) => done === undefined) };
}

/** A predicate that throws over a payload which is not its event's has found nothing. */
function says(evidence: EndEvidence & { readonly kind: 'event' }, payload: unknown): boolean {
  try {
    return evidence.holds(payload);
  } catch {
    return false;
  }
}

function latest(times: readonly string[]): string {
  return times.reduce((a, b) => (a > b ? a : b));
}

function keyOf(reaction: Reaction, event: EventRecord): string | undefined {
  try {
    return reaction.idempotencyKey(event);
  } catch {
    return undefined; // a payload that is not its event's: the group dead-letters it, and here it waits without a key
  }
}
