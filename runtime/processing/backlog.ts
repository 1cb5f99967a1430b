import type { BrokerAdmin } from '../../core/broker.ts';
import type { LogReader } from '../../core/log-reader.ts';
import type { Offset } from '../../core/offset.ts';
import { offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';

/** Looks at the log and at what is committed from beside the consumer, over connections of its own. */
export type Lookout = Pick<BrokerAdmin, 'offsets' | 'committed'> & Pick<LogReader, 'read'>;

/** Reads of one partition in one look: beyond them a record is taken for granted. */
const READS_MAX = 10;

/** A partition without a record in hand; `position` is undefined when none has come since it was assigned. */
export interface QuietPartition extends TopicPartition {
  readonly position: Offset | undefined;
}

export interface QuietSight {
  readonly position: Offset;
  readonly end: Offset;
  readonly isBehind: boolean;
}

/**
 * Tells whether the log has a record that a quiet group should have been given. An end that lies ahead is no proof of one: what
 * lies between may be transaction markers, aborted records, or what compaction left; so the first record is really read.
 */
export class Backlog {
  private readonly lookout: Lookout;
  private readonly group: string;
  /** Ends before which nothing was found, by partition and position: not looked for again until there is a later one. */
  private empty = new Map<string, Offset>();

  constructor(lookout: Lookout, group: string) {
    this.lookout = lookout;
    this.group = group;
  }

  /** In the order of the partitions; undefined for one that the broker does not know. Rejects when it cannot be asked. */
  async look(partitions: readonly QuietPartition[]): Promise<readonly (QuietSight | undefined)[]> {
    const topics = [...new Set(partitions.map(({ topic }) => topic))];
    const isNew = partitions.some(({ position }) => position === undefined);
    const [logs, committed] = await Promise.all([
      this.lookout.offsets(topics),
      isNew ? this.lookout.committed(this.group, topics) : Promise.resolve([]),
    ]);
    const empty = new Map<string, Offset>();
    const sights: (QuietSight | undefined)[] = [];
    for (const partition of partitions) {
      const log = logs.find((one) => isSame(one, partition));
      if (log === undefined) {
        sights.push(undefined);
        continue;
      }
      const position = partition.position ?? committed.find((one) => isSame(one, partition))?.offset ?? log.earliest;
      const place = `${partition.topic}/${partition.partition}/${position}`;
      const isBehind = position < log.end && this.empty.get(place) !== log.end && (await this.hasRecord(partition, position, log.end));
      if (position < log.end && !isBehind) empty.set(place, log.end);
      sights.push({ position, end: log.end, isBehind });
    }
    this.empty = empty;
    return sights;
  }

  private async hasRecord({ topic, partition }: TopicPartition, position: Offset, end: Offset): Promise<boolean> {
    let from = position;
    for (let reads = 0; reads < READS_MAX; reads += 1) {
      const slice = await this.lookout.read({ topic, partition }, from);
      if (slice.records.length > 0) return true;
      if (slice.next >= end || slice.next <= from) return false;
      from = offset(slice.next);
    }
    return true;
  }
}

function isSame(a: TopicPartition, b: TopicPartition): boolean {
  return a.topic === b.topic && a.partition === b.partition;
}
