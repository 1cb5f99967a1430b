import type { BrokerAdmin } from '../../core/broker.ts';
import type { EventDefinition } from '../../core/define.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { LogReader } from '../../core/log-reader.ts';
import type { Names } from '../../core/names.ts';
import type { Offset } from '../../core/offset.ts';
import { headerText } from '../../core/record.ts';
import type { Session } from '../postgres/database.ts';
import type { ParkedPlace } from '../postgres/flow-steps.ts';
import { readParked } from '../postgres/flow-steps.ts';
import type { FoundRecords, Wanted } from './find-records.ts';
import { findRecords } from './find-records.ts';
import type { ReadBudget } from './read-budget.ts';
import { inShares } from './read-budget.ts';
import type { ExpectedStep } from './flow.ts';
import { groupBy } from './group-by.ts';
import { unreadText } from './load-flows.ts';
import type { Position, Whereabouts } from './whereabouts.ts';
import { whereaboutsOf } from './whereabouts.ts';

export interface LocateSources {
  readonly names: Names;
  readonly catalogue: ReadonlyMap<string, EventDefinition>;
  readonly admin: Pick<BrokerAdmin, 'committed'>;
  readonly reader: LogReader;
  readonly database: (domain: string) => Session;
  /** Records that one call may read. */
  readonly recordsMax: number;
}

/**
 * Where the records are that these steps wait for, in the order of the steps. Never rejects for a server that is away or
 * refuses: what could not be found out is `unknown`, with the reason.
 */
export async function locateSteps(sources: LocateSources, steps: readonly ExpectedStep[]): Promise<readonly Whereabouts[]> {
  const budget = { records: sources.recordsMax };
  const byTopic = groupBy(
    steps.filter(({ unread }) => !unread),
    ({ event }) => topicOf(sources, event.type),
  );
  const located = new Map<ExpectedStep, Whereabouts>();
  await inShares(budget, [...byTopic], async ([topic, ofTopic], share) => {
    const places = await locateIn(sources, topic, ofTopic, share).catch((error: unknown) => unknownFor(ofTopic, error));
    for (const [step, where] of places) located.set(step, where);
    return share.records > 0 || [...places.values()].every(({ kind }) => kind !== 'unknown');
  });
  return steps.map(
    (step) => located.get(step) ?? { kind: 'unknown', why: step.unread ? unreadText(step.domain) : 'it was not looked for' },
  );
}

export function groupOf({ names }: Pick<LocateSources, 'names'>, { domain }: Pick<ExpectedStep, 'domain'>): string {
  return names.processorGroup(domain);
}

function topicOf({ names, catalogue }: LocateSources, type: string): string {
  return names.eventTopic(catalogue.get(type)?.route ?? '');
}

function unknownFor(steps: readonly ExpectedStep[], error: unknown): ReadonlyMap<ExpectedStep, Whereabouts> {
  if (!(error instanceof ClassifiedError)) throw error;
  return new Map(steps.map((step) => [step, { kind: 'unknown', why: `${error.code}: ${error.message}` }]));
}

/** A waiting step whose record was found, and what its group had committed there before. */
interface Present {
  readonly step: ExpectedStep;
  readonly group: string;
  readonly at: Position;
  readonly committed: Offset | undefined;
}

async function locateIn(
  sources: LocateSources,
  topic: string,
  steps: readonly ExpectedStep[],
  budget: ReadBudget,
): Promise<ReadonlyMap<ExpectedStep, Whereabouts>> {
  // Offsets first: what a group has passed by then has left its effect or its letter behind, and those are looked for afterwards.
  const committed = await committedOffsets(sources, topic, steps);
  // Where no group has come to yet, nothing has to be read to know that the record is still ahead.
  const isWorthReading = (partition: number, from: Offset): boolean =>
    [...committed.values()].some((offsets) => (offsets.get(partition) ?? 0n) > from);
  const { found, absent, unread } = await findRecords(sources.reader, topic, uniqueEvents(steps), budget, isWorthReading);
  const places = new Map<ExpectedStep, Whereabouts>();
  const present: Present[] = [];
  for (const step of steps) {
    const record = found.get(step.event.id);
    const earliest = unread.get(step.event.id);
    const group = groupOf(sources, step);
    if (record !== undefined) {
      const at = { topic, partition: record.partition, offset: record.offset };
      present.push({ step, group, at, committed: committed.get(group)?.get(record.partition) });
    } else if (earliest !== undefined) {
      const recordsBefore = earliest.offset - (committed.get(group)?.get(earliest.partition) ?? 0n);
      places.set(step, { kind: 'ahead', at: earliest, exact: false, recordsBefore });
    } else if (absent.has(step.event.id)) places.set(step, { kind: 'unpublished' });
    else places.set(step, { kind: 'unknown', why: `${topic} has more records than were looked through` });
  }
  const passed = present.filter(({ at, committed: done }) => done !== undefined && done > at.offset);
  const letters = await findLetters(
    sources,
    topic,
    passed.map(({ step }) => step),
    budget,
  );
  const parked = await findParked(sources, present);
  for (const { step, group, at, committed: done } of present) {
    const letter = letters.get(group)?.found.get(step.event.id);
    places.set(
      step,
      whereaboutsOf({
        at,
        committed: done,
        letter: letter === undefined ? undefined : { topic: letter.topic, errorCode: headerText(letter.headers, 'dlt-error-code') },
        parked: parked.find((place) => place.group === group && place.partition === at.partition && place.offset === at.offset),
      }),
    );
  }
  return places;
}

async function committedOffsets(
  sources: LocateSources,
  topic: string,
  steps: readonly ExpectedStep[],
): Promise<ReadonlyMap<string, ReadonlyMap<number, Offset>>> {
  const committed = new Map<string, ReadonlyMap<number, Offset>>();
  for (const group of new Set(steps.map((step) => groupOf(sources, step)))) {
    const offsets = await sources.admin.committed(group, [topic]);
    committed.set(group, new Map(offsets.map(({ partition, offset }) => [partition, offset])));
  }
  return committed;
}

async function findLetters(
  sources: LocateSources,
  topic: string,
  steps: readonly ExpectedStep[],
  budget: ReadBudget,
): Promise<ReadonlyMap<string, FoundRecords>> {
  const letters = new Map<string, FoundRecords>();
  for (const [group, ofGroup] of groupBy(steps, (step) => groupOf(sources, step))) {
    const letterTopic = sources.names.deadLetterTopic(topic, group);
    letters.set(group, await findRecords(sources.reader, letterTopic, uniqueEvents(ofGroup), budget));
  }
  return letters;
}

async function findParked(sources: LocateSources, present: readonly Present[]): Promise<readonly ParkedPlace[]> {
  const found: ParkedPlace[] = [];
  for (const [domain, ofDomain] of groupBy(present, ({ step }) => step.domain)) {
    const places = ofDomain.map(({ group, at }) => ({ group, ...at }));
    found.push(...(await readParked(sources.database(domain), domain, places)));
  }
  return found;
}

function uniqueEvents(steps: readonly ExpectedStep[]): readonly Wanted[] {
  const events = new Map(steps.map(({ event }) => [event.id, event]));
  return [...events.values()].map(({ id, aggregateId, occurredAt }) => ({ id, key: aggregateId, sinceMs: Date.parse(occurredAt) }));
}
