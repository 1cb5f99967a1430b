import type { ProjectionDefinition } from '../../core/define-projection.ts';
import type { EventRecord } from '../../core/envelope.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Offset } from '../../core/offset.ts';
import { isUuid } from '../../core/uuid.ts';
import { PLATFORM } from '../database-url.ts';
import type { LetterQueue } from '../dead-letters/letter-queues.ts';
import type { LetterStates } from '../dead-letters/letter-states.ts';
import type { Database } from '../postgres/database.ts';
import { readDecisionsOfFlow } from '../postgres/decisions-of-flow.ts';
import type { FlowQuestion, FoundFlow } from '../postgres/flow-events.ts';
import { findFlows } from '../postgres/flow-events.ts';
import type { FlowRow } from '../postgres/flow-table.ts';
import { findFlowIds, readFlowRows } from '../postgres/flow-table.ts';
import type { ParkedQuestion } from '../postgres/parked-of-flow.ts';
import { readParkedOfFlow } from '../postgres/parked-of-flow.ts';
import { findRecords } from './find-records.ts';
import type { ExpectedStep, Flow } from './flow.ts';
import { groupBy } from './group-by.ts';
import type { FlowSources } from './load-flows.ts';
import { loadFlows, unreadText } from './load-flows.ts';
import type { LocateSources } from './locate-steps.ts';
import { locateSteps } from './locate-steps.ts';
import type { SetAside } from './set-aside.ts';
import { findLetters, withStates } from './set-aside.ts';
import type { Position, Whereabouts } from './whereabouts.ts';

export interface TraceSources extends FlowSources, LocateSources {
  readonly platform: Database;
  readonly deadLetters: { readonly queues: readonly LetterQueue[]; readonly states: Pick<LetterStates, 'of'> };
  /** Flows that one question may lead to; the newest are shown. */
  readonly flowsMax: number;
}

/** Where an event stands in its topic, and which read models' groups have gone past it. */
export interface EventInTopic {
  readonly at: Position;
  readonly projections: readonly { readonly group: string; readonly passed: boolean }[];
}

export interface TracedFlow {
  readonly flow: Flow;
  /** As the sweep last saw it: a row per saga, none for a flow that no saga names or that began a moment ago. */
  readonly rows: readonly FlowRow[];
  /** Of the steps that have not come. */
  readonly waiting: ReadonlyMap<ExpectedStep, Whereabouts>;
  /** By event id; empty when topics were not asked for. */
  readonly topics: ReadonlyMap<string, EventInTopic>;
  /** Records of its events that wait for an attempt, or were given up. */
  readonly aside: SetAside;
}

export interface Trace {
  /** The newest last, so that the end of a long text is what happened just now. */
  readonly flows: readonly TracedFlow[];
  /** Records that say the id, of events that are in none of the flows. */
  readonly otherRecords: SetAside;
  /** What could not be looked at, in words. */
  readonly gaps: readonly string[];
  /** What was left out on purpose, in words. */
  readonly limits: readonly string[];
}

const TRACE_ID = /^[0-9a-f]{32}$/i;
/** Parked records of one database. */
const PARKED_MAX = 200;
/** A letter is written after its event, by the clocks of two machines. */
const CLOCK_SLACK_MS = 10_000;

/**
 * The flows that an id leads to: of a trace, a flow, an event or an aggregate; with the parked and dead-lettered records that
 * belong to them or say the id. A server that is away, slow or refuses leaves a gap and stops nothing. Reads and changes nothing.
 */
export async function traceFlows(sources: TraceSources, text: string, options: { readonly topics: boolean }): Promise<Trace> {
  const id = TRACE_ID.test(text) || isUuid(text) ? text.toLowerCase() : text;
  const [gaps, limits] = [new Set<string>(), new Set<string>()];
  const flowIds = await resolve(sources, { id, text }, gaps, limits);
  const flows = [...(await loadFlows(sources, flowIds)).values()];
  for (const flow of flows) for (const gap of flow.gaps) gaps.add(gap);
  const rows = groupBy(await unlessUnread(gaps, THE_FLOWS, () => readFlowRows(sources.platform, flowIds), []), (row) => row.flow_id);
  const waiting = flows.flatMap(({ steps }) => steps.filter(({ done }) => done === undefined));
  const places = await locateSteps(sources, waiting);
  const whereabouts = new Map(
    waiting.map((step, index) => [step, places[index] ?? { kind: 'unknown' as const, why: 'it was not looked for' }]),
  );
  const topics = options.topics ? await lookIntoTopics(sources, flows, gaps) : new Map<string, EventInTopic>();
  const aside = await lookAside(sources, id, flows, gaps, limits);
  const owners = new Map(flows.flatMap(({ id: flowId, events }) => events.map((event) => [event.id as string, flowId] as const)));
  const of = (flowId: string | undefined): SetAside => ({
    parked: aside.parked.filter(({ eventId }) => owners.get(eventId ?? '') === flowId),
    letters: aside.letters.filter(({ letter }) => owners.get(letter.eventId ?? '') === flowId),
    decisions: aside.decisions.filter(({ eventId }) => owners.get(eventId ?? '') === flowId),
  });
  return {
    flows: flows.map((flow) => ({ flow, rows: rows.get(flow.id) ?? [], waiting: whereabouts, topics, aside: of(flow.id) })),
    otherRecords: of(undefined),
    gaps: [...gaps],
    limits: [...limits],
  };
}

const THE_FLOWS = 'the table of flows could not be read';

/** Flow ids, the newest last; what the sweep has seen when no event store that could be asked knows the id. */
async function resolve(
  sources: TraceSources,
  { id, text }: { readonly id: string; readonly text: string },
  gaps: Set<string>,
  limits: Set<string>,
): Promise<readonly string[]> {
  const byId: FlowQuestion | undefined = TRACE_ID.test(id) ? { traceId: id } : isUuid(id) ? { eventId: id } : undefined;
  const named = byId === undefined ? [] : await ask(sources, () => byId, gaps);
  const found = named.length > 0 ? named : await ask(sources, (types) => ({ aggregateId: text, aggregateTypes: types }), gaps);
  if (found.length === 0 && gaps.size > 0) {
    return unlessUnread(gaps, THE_FLOWS, async () => [...(await findFlowIds(sources.platform, id, sources.flowsMax))].reverse(), []);
  }
  if (found.length > sources.flowsMax) limits.add(`it leads to more flows; the newest ${sources.flowsMax} are shown`);
  return found.slice(-sources.flowsMax).map(({ flowId }) => flowId);
}

async function ask(
  { pipeline, database, flowsMax }: TraceSources,
  question: (aggregateTypes: readonly string[]) => FlowQuestion,
  gaps: Set<string>,
): Promise<readonly FoundFlow[]> {
  const found = await Promise.all(
    pipeline.domains
      .filter(({ captured }) => captured)
      .map(({ name, aggregates }) =>
        unlessUnread(
          gaps,
          unreadText(name),
          () => findFlows(database(name), name, question(aggregates.map(({ type }) => type)), flowsMax + 1),
          [],
        ),
      ),
  );
  return newestLast(found.flat());
}

/** One per flow, by the time of the newest event that any domain found of it. Pure. */
export function newestLast(found: readonly FoundFlow[]): readonly FoundFlow[] {
  const newest = new Map<string, FoundFlow>();
  for (const flow of found) if ((newest.get(flow.flowId)?.newestAt ?? '') < flow.newestAt) newest.set(flow.flowId, flow);
  return [...newest.values()].sort((a, b) => (a.newestAt < b.newestAt ? -1 : 1));
}

/** Parked records of all domains and of the projections, and dead letters of all groups and captures. */
async function lookAside(
  sources: TraceSources,
  id: string,
  flows: readonly Flow[],
  gaps: Set<string>,
  limits: Set<string>,
): Promise<SetAside> {
  const { pipeline, database, platform, deadLetters, reader, recordsMax } = sources;
  const events = flows.flatMap((flow) => flow.events);
  const question: ParkedQuestion = { id, eventIds: events.map((event) => event.id) };
  const databases = [...pipeline.domains.map(({ name }) => [name, () => database(name)] as const), [PLATFORM, () => platform] as const];
  const parked = await Promise.all(
    databases.map(([name, open]) =>
      unlessUnread(gaps, unreadText(name), () => readParkedOfFlow(open(), name, question, PARKED_MAX + 1), []),
    ),
  );
  if (parked.some((of) => of.length > PARKED_MAX)) limits.add(`more records are parked; ${PARKED_MAX} of a database are shown`);
  const sinceMs = events.length === 0 ? undefined : Math.min(...events.map(({ occurredAt }) => Date.parse(occurredAt))) - CLOCK_SLACK_MS;
  const found = await unlessUnread(
    gaps,
    'the dead letters could not be read',
    () => findLetters({ reader, queues: deadLetters.queues }, question, sinceMs, { records: recordsMax }),
    { letters: [], complete: true },
  );
  if (!found.complete) limits.add('there are more dead letters than were looked through: `millrace dlt list` has them all');
  const letters = await unlessUnread(
    gaps,
    'what became of the dead letters could not be read',
    () => withStates(found.letters, deadLetters.states),
    found.letters,
  );
  const decisions = await unlessUnread(
    gaps,
    'the audit of decisions could not be read',
    () => readDecisionsOfFlow(platform, question, sinceMs, PARKED_MAX),
    [],
  );
  return { parked: parked.flatMap((of) => of.slice(0, PARKED_MAX)), letters, decisions };
}

/** Per topic: what is not found is left out. */
async function lookIntoTopics(
  sources: TraceSources,
  flows: readonly Flow[],
  gaps: Set<string>,
): Promise<ReadonlyMap<string, EventInTopic>> {
  const found = new Map<string, EventInTopic>();
  const budget = { records: sources.recordsMax };
  for (const [type, events] of groupBy(
    flows.flatMap((flow) => flow.events),
    (event) => event.type,
  )) {
    const topic = sources.names.eventTopic(sources.catalogue.get(type)?.route ?? '');
    await unlessUnread(
      gaps,
      `the topic ${topic} could not be read`,
      async () => {
        const readers = await projectionOffsets(sources, type, topic);
        const records = (await findRecords(sources.reader, topic, events.map(wanted), budget)).found;
        for (const [id, { partition, offset }] of records) {
          const projections = readers.map(({ group, offsets }) => ({ group, passed: (offsets.get(partition) ?? 0n) > offset }));
          found.set(id, { at: { topic, partition, offset }, projections });
        }
      },
      undefined,
    );
  }
  return found;
}

async function projectionOffsets(
  { pipeline, names, admin }: TraceSources,
  type: string,
  topic: string,
): Promise<readonly { readonly group: string; readonly offsets: ReadonlyMap<number, Offset> }[]> {
  const reads = ({ reads: events }: ProjectionDefinition): boolean => events.some((event) => event.type === type);
  return Promise.all(
    pipeline.projections.filter(reads).map(async ({ name, version }) => {
      const group = names.projectionGroup(name, version);
      const committed = await admin.committed(group, [topic]);
      return { group, offsets: new Map(committed.map(({ partition, offset }) => [partition, offset])) };
    }),
  );
}

function wanted({ id, aggregateId, occurredAt }: EventRecord): { readonly id: string; readonly key: string; readonly sinceMs: number } {
  return { id, key: aggregateId, sinceMs: Date.parse(occurredAt) };
}

/** Whatever the server answers: a table that is locked or missing is no reason to show nothing of the others. */
async function unlessUnread<T>(gaps: Set<string>, what: string, look: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof ClassifiedError)) throw error;
    gaps.add(`${what} (${error.code})`);
    return otherwise;
  }
}
