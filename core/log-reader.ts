import type { Offset } from './offset.ts';
import type { ConsumedRecord, TopicPartition } from './record.ts';

export interface PartitionOffsets extends TopicPartition {
  readonly earliest: Offset;
  /** The offset that the next record will get. */
  readonly end: Offset;
}

/** What a broker says of a topic at one moment. */
export interface TopicFacts {
  readonly topic: string;
  /** Given by the cluster when the topic was made: another one after the topic was deleted and made again. */
  readonly id: string;
  /** Milliseconds after which a record may be removed; undefined when time removes nothing. */
  readonly retentionMs: number | undefined;
  /** Records may also be removed for their size or by compaction, whatever their age. */
  readonly removesYoung: boolean;
  readonly partitions: readonly PartitionOffsets[];
}

export interface ClusterFacts {
  /** Given when the cluster was formatted. */
  readonly clusterId: string;
  /** Unknown topics are left out. */
  readonly topics: readonly TopicFacts[];
}

export interface LogSlice {
  readonly records: readonly ConsumedRecord[];
  /** Where to read next: beyond the last record, or the earliest offset that is still there. */
  readonly next: Offset;
  /** The offset that the next record of the partition will get. */
  readonly end: Offset;
}

/**
 * Looks into the log without being a member of a group: for what has to be compared, and not processed. Everything rejects
 * with a ClassifiedError as the broker port does.
 */
export interface LogReader {
  describe(topics: readonly string[]): Promise<ClusterFacts>;
  /** Per partition the offset of the first record with that timestamp or a later one; partitions without one are left out. */
  offsetsSince(topic: string, timestampMs: number): Promise<readonly (TopicPartition & { readonly offset: Offset })[]>;
  /** Some of the records from there on, in offset order; an offset that is gone already is passed over. */
  read(partition: TopicPartition, from: Offset): Promise<LogSlice>;
  stop(): Promise<void>;
}
