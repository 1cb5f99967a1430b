import type { LogReader, TopicFacts } from '../../core/log-reader.ts';
import { partitionOfKey } from '../../core/partition-of-key.ts';
import type { Offset } from '../../core/offset.ts';
import type { ConsumedRecord, TopicPartition } from '../../core/record.ts';
import { headerText, utf8 } from '../../core/record.ts';
import { groupBy } from './group-by.ts';
import type { ReadBudget } from './read-budget.ts';
import { inShares } from './read-budget.ts';

/** An event whose record is looked for. */
export interface Wanted {
  readonly id: string;
  /** The record key. */
  readonly key: string;
  /** When it was appended, milliseconds: its record is not older. */
  readonly sinceMs: number;
}

export interface FoundRecords {
  readonly found: ReadonlyMap<string, ConsumedRecord>;
  /** Events that are in none of the topic's partitions, as far as records are kept. Neither here nor found: the budget was used up. */
  readonly absent: ReadonlySet<string>;
  /** Events that were not looked for because of `isWorthReading`: where their key's partition would have been read from. */
  readonly unread: ReadonlyMap<string, PartitionPlace>;
}

type PartitionPlace = TopicPartition & { readonly offset: Offset };

/** A record carries the time of its commit by the clock that gave its event its own, or a later one by the broker's. */
const CLOCK_SLACK_MS = 10_000;

/** Events that lie no further apart in time are read together: the log is read from the oldest one on. */
const TOGETHER_MS = [3_600_000, 6 * 3_600_000, 24 * 3_600_000, 7 * 24 * 3_600_000];

/**
 * Looks for events in a topic by the id in their headers: first in the partition of their key, then, as partitions may have been
 * added since, in the others. The youngest ones first, so that an old one does not keep them from being found. Rejects with
 * KAFKA_UNAVAILABLE.
 */
export async function findRecords(
  reader: LogReader,
  topic: string,
  wanted: readonly Wanted[],
  budget: ReadBudget,
  isWorthReading: (partition: number, from: Offset) => boolean = () => true,
): Promise<FoundRecords> {
  const groups = groupsByAge(wanted);
  const all = { found: new Map<string, ConsumedRecord>(), absent: new Set<string>(), unread: new Map<string, PartitionPlace>() };
  await inShares(budget, groups, async (group, share) => {
    const some = await findTogether(reader, topic, group, share, isWorthReading);
    for (const [id, record] of some.found) all.found.set(id, record);
    for (const id of some.absent) all.absent.add(id);
    for (const [id, place] of some.unread) all.unread.set(id, place);
    return group.every(({ id }) => all.found.has(id) || all.absent.has(id) || all.unread.has(id));
  });
  return all;
}

/** The youngest group first. */
function groupsByAge(wanted: readonly Wanted[]): readonly (readonly Wanted[])[] {
  const newestMs = Math.max(...wanted.map(({ sinceMs }) => sinceMs));
  const groups = groupBy(wanted, ({ sinceMs }) => TOGETHER_MS.filter((ms) => newestMs - sinceMs > ms).length);
  return [...groups].sort(([a], [b]) => a - b).map(([, group]) => group);
}

async function findTogether(
  reader: LogReader,
  topic: string,
  wanted: readonly Wanted[],
  budget: ReadBudget,
  isWorthReading: (partition: number, from: Offset) => boolean,
): Promise<FoundRecords> {
  const found = new Map<string, ConsumedRecord>();
  const unread = new Map<string, PartitionPlace>();
  const [facts] = (await reader.describe([topic])).topics;
  if (facts === undefined) return { found, absent: new Set(wanted.map(({ id }) => id)), unread };
  const oldestMs = Math.min(...wanted.map(({ sinceMs }) => sinceMs)) - CLOCK_SLACK_MS;
  const starts = new Map((await reader.offsetsSince(topic, oldestMs)).map(({ partition, offset }) => [partition, offset]));
  const remaining = new Map(wanted.map((event) => [event.id, event]));
  let complete = true;
  for (const round of ['own', 'others'] as const) {
    for (const { partition, end } of facts.partitions) {
      const ids = idsOf(remaining, facts, partition, round);
      const from = starts.get(partition);
      if (ids.size === 0 || from === undefined) continue;
      if (!isWorthReading(partition, from)) {
        if (round === 'own') for (const id of ids) unread.set(id, { topic, partition, offset: from });
        for (const id of unread.keys()) remaining.delete(id);
        continue;
      }
      complete = (await scan(reader, { topic, partition, from, end }, ids, found, budget)) && complete;
      for (const id of found.keys()) remaining.delete(id);
    }
  }
  return { found, absent: complete ? new Set(remaining.keys()) : new Set(), unread };
}

function idsOf(remaining: ReadonlyMap<string, Wanted>, facts: TopicFacts, partition: number, round: 'own' | 'others'): Set<string> {
  const isOwn = ({ key }: Wanted): boolean => partitionOfKey(utf8(key), facts.partitions.length) === partition;
  return new Set([...remaining.values()].filter((event) => isOwn(event) === (round === 'own')).map(({ id }) => id));
}

/** False when the budget ended before the partition did. */
async function scan(
  reader: LogReader,
  at: { readonly topic: string; readonly partition: number; readonly from: Offset; readonly end: Offset },
  ids: Set<string>,
  found: Map<string, ConsumedRecord>,
  budget: ReadBudget,
): Promise<boolean> {
  for (let from = at.from; from < at.end && ids.size > 0;) {
    if (budget.records <= 0) return false;
    const slice = await reader.read(at, from);
    for (const record of slice.records) {
      const id = headerText(record.headers, 'id');
      if (id !== undefined && ids.delete(id)) found.set(id, record);
    }
    budget.records -= slice.records.length;
    if (slice.next <= from) return false; // the broker has fallen silent below the end
    from = slice.next;
  }
  return true;
}
