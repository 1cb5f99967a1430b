import type { BrokerAdmin } from '../core/broker.ts';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { Names } from '../core/names.ts';
import { readersOf } from '../schemas/topics.ts';
import { PLATFORM } from './database-url.ts';
import type { Session } from './postgres/database.ts';
import type { ParkedPlace } from './postgres/parked-filter.ts';
import { countParkedAt, readParkedPlaces } from './postgres/parked-places.ts';

/**
 * Why nobody will ever read what waits there: the pipeline has no such group (any more), the group does not read the topic (any
 * more), the topic is gone from Kafka, or it has fewer partitions than it had.
 */
export type OrphanReason = 'group' | 'topic' | 'topic-missing' | 'partition-missing';

/** Parked records that have no owner. */
export interface ParkedOrphans extends ParkedPlace {
  /** In whose database they are. */
  readonly domain: string;
  readonly reason: OrphanReason;
  readonly records: number;
  /** Milliseconds since the oldest of them was parked. */
  readonly oldestAgeMs: number;
}

export interface OrphanSources {
  readonly pipeline: PipelineDefinition;
  readonly names: Names;
  readonly database: (domain: string) => Session;
  readonly admin: Pick<BrokerAdmin, 'offsets'>;
}

/** Topics by the group that reads them. */
export type Readings = ReadonlyMap<string, ReadonlySet<string>>;

/** Pure. `partitions`: how many each topic has that is there. */
export function orphanReason(
  { group, topic, partition }: ParkedPlace,
  readings: Readings,
  partitions: ReadonlyMap<string, number>,
): OrphanReason | undefined {
  const topics = readings.get(group);
  if (topics === undefined) return 'group';
  if (!topics.has(topic)) return 'topic';
  const count = partitions.get(topic);
  if (count === undefined) return 'topic-missing';
  return partition >= count ? 'partition-missing' : undefined;
}

export function readingsOf(pipeline: PipelineDefinition, names: Names): Readings {
  const readings = new Map<string, Set<string>>();
  for (const { group, event } of readersOf(pipeline, names)) {
    const topics = readings.get(group) ?? new Set();
    readings.set(group, topics.add(names.eventTopic(event.route)));
  }
  return readings;
}

/**
 * What waits in the databases of the pipeline and has no owner in this version of it. Costs a step of an index for each
 * partition of a group that has parked records. Rejects with the error of the server that is away.
 */
export async function findParkedOrphans({ pipeline, names, database, admin }: OrphanSources): Promise<readonly ParkedOrphans[]> {
  const domains = [...pipeline.domains.map(({ name }) => name), PLATFORM];
  const found = await Promise.all(domains.map(async (domain) => [domain, await readParkedPlaces(database(domain), domain)] as const));
  const topics = new Set(found.flatMap(([, places]) => places.map(({ topic }) => topic)));
  if (topics.size === 0) return [];
  const readings = readingsOf(pipeline, names);
  const partitions = new Map<string, number>();
  for (const { topic } of await admin.offsets([...topics])) partitions.set(topic, (partitions.get(topic) ?? 0) + 1);
  const orphans: ParkedOrphans[] = [];
  for (const [domain, places] of found) {
    const reasons = new Map<string, OrphanReason>();
    for (const place of places) {
      const reason = orphanReason(place, readings, partitions);
      if (reason !== undefined) reasons.set(nameOf(place), reason);
    }
    if (reasons.size === 0) continue;
    const ownerless = places.filter((place) => reasons.has(nameOf(place)));
    for (const counted of await countParkedAt(database(domain), domain, ownerless))
      orphans.push({ ...counted, domain, reason: reasons.get(nameOf(counted)) ?? 'group' });
  }
  return orphans;
}

/** Somebody reads what this version of the pipeline takes for nobody's. */
export interface LiveReader {
  readonly group: string;
  readonly members: number;
  readonly topics: readonly string[];
}

/**
 * A pipeline of another version may know a group, or read a topic, that this one does not: Kafka knows who is there. Where it says
 * itself that topic or partition are gone, no member reads them, however many the group has. Rejects with the error of Kafka.
 */
export async function liveReaders(
  orphans: readonly Pick<ParkedOrphans, 'group' | 'topic' | 'reason'>[],
  admin: Pick<BrokerAdmin, 'members'>,
): Promise<readonly LiveReader[]> {
  const doubtful = orphans.filter(({ reason }) => reason === 'group' || reason === 'topic');
  const found: LiveReader[] = [];
  for (const group of new Set(doubtful.map((orphan) => orphan.group))) {
    const members = await admin.members(group);
    const topics = new Set(
      doubtful
        .filter((orphan) => orphan.group === group && members.some((member) => member.topics?.includes(orphan.topic) ?? true))
        .map(({ topic }) => topic),
    );
    if (topics.size > 0) found.push({ group, members: members.length, topics: [...topics].sort() });
  }
  return found;
}

function nameOf({ group, topic, partition }: ParkedPlace): string {
  return `${group}/${topic}/${partition}`;
}
