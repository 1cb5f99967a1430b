import type { PipelineDefinition } from '../../core/define-pipeline.ts';
import type { EventDefinition } from '../../core/define.ts';
import type { EventRecord } from '../../core/envelope.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Session } from '../postgres/database.ts';
import type { FlowEvent } from '../postgres/flow-events.ts';
import { readFlowEvents } from '../postgres/flow-events.ts';
import type { StepRow } from '../postgres/flow-steps.ts';
import { readSteps } from '../postgres/flow-steps.ts';
import type { BareStep, ExpectedStep, Flow } from './flow.ts';
import { expectedSteps } from './flow.ts';

export interface FlowSources {
  readonly pipeline: PipelineDefinition;
  readonly catalogue: ReadonlyMap<string, EventDefinition>;
  readonly database: (domain: string) => Session;
  /** Events of one flow that are looked at in each domain. */
  readonly eventsMax: number;
  /** Told of each database that could not be read, and why. */
  readonly onUnread?: (domain: string, error: ClassifiedError) => void;
}

/**
 * The flows with these ids, from the event stores and inboxes of all domains. A database that cannot be read, for whatever
 * reason, leaves a gap in each of them and stops nothing.
 *
 * Which steps to ask for is known from the events; but a step and its events are one commit, so that events which were read before
 * the inbox may lack those of a step that it shows. Of flows with a step they are read again behind it.
 */
export async function loadFlows(sources: FlowSources, flowIds: readonly string[]): Promise<ReadonlyMap<string, Flow>> {
  const { pipeline, database, catalogue, eventsMax, onUnread } = sources;
  const unread = new Map<string, ErrorCode>();
  const present = async <T>(domain: string, read: (session: Session) => Promise<readonly T[]>): Promise<readonly T[] | undefined> => {
    try {
      return await read(database(domain));
    } catch (error) {
      if (!(error instanceof ClassifiedError)) throw error;
      onUnread?.(domain, error);
      unread.set(domain, error.code);
      return undefined;
    }
  };
  const eventsOf = (ids: readonly string[]): Promise<StoredEvents> =>
    Promise.all(
      pipeline.domains
        .filter(({ captured }) => captured)
        .map(({ name }) => present(name, (session) => readFlowEvents(session, name, ids, { catalogue, eventsMax }))),
    );
  const stored = await eventsOf(flowIds);
  const drafts = new Map(flowIds.map((id) => [id, draftOf(id, stored, eventsMax, pipeline)]));
  const found = await Promise.all(
    pipeline.domains.map(async ({ name }) => {
      const keys = [...drafts.values()].flatMap(({ steps }) => steps.flatMap(({ domain, key }) => (domain === name && key ? [key] : [])));
      const rows = await present(name, (session) => readSteps(session, name, [...new Set(keys)]));
      return [name, new Map(rows?.map((row) => [row.idempotency_key, row]))] as const;
    }),
  );
  const inboxes: Inboxes = new Map(found);
  const stepped = flowIds.filter((id) => drafts.get(id)?.steps.some((step) => rowOf(step, inboxes) !== undefined));
  if (stepped.length > 0) {
    const later = (await eventsOf(stepped)).map((events, at) => events ?? stored[at]);
    for (const id of stepped) drafts.set(id, draftOf(id, later, eventsMax, pipeline));
  }
  const gaps = [...unread].map(([domain, code]) => `${unreadText(domain)} (${code})`);
  return new Map(
    [...drafts].map(([id, draft]) => [
      id,
      { ...draft, steps: draft.steps.map((step) => withRow(step, inboxes, unread)), gaps: [...draft.gaps, ...gaps] },
    ]),
  );
}

/** Per domain that has a store; undefined: it could not be read. */
type StoredEvents = readonly (readonly FlowEvent[] | undefined)[];
/** By domain, and by idempotency key. */
type Inboxes = ReadonlyMap<string, ReadonlyMap<string, StepRow>>;

type Draft = Omit<Flow, 'steps'> & { readonly steps: readonly BareStep[] };

function draftOf(id: string, stored: StoredEvents, eventsMax: number, pipeline: PipelineDefinition): Draft {
  const perDomain = stored.map((events) => (events ?? []).filter(({ flowId }) => flowId === id));
  const all = perDomain.flat();
  const events = all.flatMap(({ event }) => (event === undefined ? [] : [event])).sort(byTime);
  const gaps = [
    ...(perDomain.some((found) => found.length > eventsMax) ? [`it has more than ${eventsMax} events in one domain`] : []),
    ...all.flatMap(({ event, type }) => (event === undefined ? [`an event ${type} cannot be read`] : [])),
  ];
  const aggregateTypes = new Map<string, string>(
    all.flatMap(({ event, aggregateType }) => (event === undefined ? [] : [[event.id, aggregateType] as const])),
  );
  return { id, events, steps: expectedSteps(pipeline, events), gaps, aggregateTypes };
}

function byTime(a: EventRecord, b: EventRecord): number {
  if (a.occurredAt !== b.occurredAt) return a.occurredAt < b.occurredAt ? -1 : 1;
  return Number(a.version - b.version);
}

function rowOf({ domain, key }: BareStep, inboxes: Inboxes): StepRow | undefined {
  return key === undefined ? undefined : inboxes.get(domain)?.get(key);
}

function withRow(step: BareStep, inboxes: Inboxes, unread: ReadonlyMap<string, ErrorCode>): ExpectedStep {
  // Of a domain that was not read the inbox alone is half of what was committed: its step without its events.
  const row = unread.has(step.domain) ? undefined : rowOf(step, inboxes);
  if (row === undefined) return { ...step, done: undefined, unread: unread.has(step.domain) };
  const { started_at, processed_at, status, result } = row;
  return { ...step, done: { startedAt: started_at ?? undefined, endedAt: processed_at, status, result }, unread: false };
}

export function unreadText(domain: string): string {
  return `the database of ${domain} could not be read`;
}
