import type { ProjectionDefinition } from '../../core/define-projection.ts';
import type { EventRecord } from '../../core/envelope.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Offset } from '../../core/offset.ts';
import type { Database } from '../postgres/database.ts';
import type { FlowQuestion } from '../postgres/flow-events.ts';
import { findFlows } from '../postgres/flow-events.ts';
import type { FlowRow } from '../postgres/flow-table.ts';
import { readFlowRows } from '../postgres/flow-table.ts';
import { findRecords } from './find-records.ts';
import type { ExpectedStep, Flow } from './flow.ts';
import { groupBy } from './group-by.ts';
import type { FlowSources } from './load-flows.ts';
import { loadFlows } from './load-flows.ts';
import type { LocateSources } from './locate-steps.ts';
import { locateSteps } from './locate-steps.ts';
import type { Position, Whereabouts } from './whereabouts.ts';

export interface TraceSources extends FlowSources, LocateSources {
  readonly platform: Database;
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
}

export interface Trace {
  readonly flows: readonly TracedFlow[];
  /** What could not be looked at, in words. */
  readonly gaps: readonly string[];
}

const TRACE_ID = /^[0-9a-f]{32}$/i;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * The flows that an id leads to: of a trace, a flow, an event or an aggregate. A server that is away leaves a gap and stops
 * nothing. Reads and changes nothing.
 */
export async function traceFlows(sources: TraceSources, id: string, options: { readonly topics: boolean }): Promise<Trace> {
  const gaps = new Set<string>();
  const flowIds = await resolve(sources, id, gaps);
  if (flowIds.length === sources.flowsMax) gaps.add(`only the newest ${sources.flowsMax} flows are shown`);
  const flows = [...(await loadFlows(sources, flowIds)).values()];
  for (const flow of flows) for (const gap of flow.gaps) gaps.add(gap);
  const rows = groupBy(
    await unlessAway(gaps, 'the table of flows', () => readFlowRows(sources.platform, flowIds), []),
    (row) => row.flow_id,
  );
  const waiting = flows.flatMap(({ steps }) => steps.filter(({ done }) => done === undefined));
  const places = await locateSteps(sources, waiting);
  const whereabouts = new Map(
    waiting.map((step, index) => [step, places[index] ?? { kind: 'unknown' as const, why: 'it was not looked for' }]),
  );
  const topics = options.topics ? await lookIntoTopics(sources, flows, gaps) : new Map<string, EventInTopic>();
  return {
    flows: flows.map((flow) => ({ flow, rows: rows.get(flow.id) ?? [], waiting: whereabouts, topics })),
    gaps: [...gaps],
  };
}

/** The newest flows last, so that the end of a long text is what happened just now. */
async function resolve(sources: TraceSources, id: string, gaps: Set<string>): Promise<readonly string[]> {
  const byId: FlowQuestion | undefined = TRACE_ID.test(id)
    ? { traceId: id.toLowerCase() }
    : UUID.test(id)
      ? { eventId: id.toLowerCase() }
      : undefined;
  const found = byId === undefined ? [] : await ask(sources, () => byId, gaps);
  if (found.length > 0) return found;
  return ask(sources, (types) => ({ aggregateId: id, aggregateTypes: types }), gaps);
}

async function ask(
  { pipeline, database, flowsMax }: TraceSources,
  question: (aggregateTypes: readonly string[]) => FlowQuestion,
  gaps: Set<string>,
): Promise<readonly string[]> {
  const found = await Promise.all(
    pipeline.domains
      .filter(({ captured }) => captured)
      .map(({ name, aggregates }) =>
        unlessAway(
          gaps,
          `the database of ${name}`,
          () => findFlows(database(name), name, question(aggregates.map(({ type }) => type)), flowsMax),
          [],
        ),
      ),
  );
  return [...new Set(found.flat())].sort().slice(-flowsMax);
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
    await unlessAway(
      gaps,
      `the topic ${topic}`,
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

async function unlessAway<T>(gaps: Set<string>, what: string, look: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof ClassifiedError) || error.disposition !== 'outage') throw error;
    gaps.add(`${what}: ${error.code}`);
    return otherwise;
  }
}
