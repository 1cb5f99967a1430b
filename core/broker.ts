import type { ClassifiedError } from './errors.ts';
import type { LogReader, PartitionOffsets } from './log-reader.ts';
import type { Offset } from './offset.ts';
import type { BatchProducer } from './record-batch.ts';
import type { ConsumedRecord, ProducerRecord, TopicPartition } from './record.ts';

/**
 * The broker as a narrow port. Adapters: kafkajs and in-memory; both pass `test/conformance/broker`. Nothing of a client
 * library shows through. Every error that leaves an adapter is a ClassifiedError: KAFKA_UNAVAILABLE for whatever may pass
 * by itself, RECORD_TOO_LARGE and RECORD_REJECTED for a record that never will, CONFIGURATION_INVALID for authorization and
 * unknown topics.
 */
export interface BrokerDriver {
  /** Idempotent, acks=all. One per process is enough; it is safe for concurrent use. */
  producer(options: { readonly clientId: string }): Producer;
  /** For finished record batches: see core/record-batch.ts. Beside `producer`; neither knows of the other's records. */
  batchProducer(options: { readonly clientId: string }): BatchProducer;
  consumer(options: ConsumerOptions): Consumer;
  admin(): BrokerAdmin;
  logReader(): LogReader;
}

export interface Producer {
  start(): Promise<void>;
  /**
   * Appends the records in the given order within each partition and resolves when every one is acknowledged by all
   * in-sync replicas. When it rejects, any part may have been appended: the caller sends again and readers de-duplicate
   * by event id. Calls for one partition must not overlap; the caller keeps one batch in flight per partition.
   */
  send(records: readonly ProducerRecord[]): Promise<void>;
  stop(): Promise<void>;
}

export interface ConsumerOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /** Where a group without a committed offset begins. Never silently `latest`: records would be lost. */
  readonly from: 'earliest' | 'latest';
  readonly sessionTimeoutMs?: number;
  readonly rebalanceTimeoutMs?: number;
}

/** A group does not read a partition on where it had stopped, but from its earliest record: never from its latest. */
export interface OffsetReset extends TopicPartition {
  /** `records-gone`: retention, or a deletion, was faster. `log-shorter`: the log ends before `from`. */
  readonly reason: 'nothing-committed' | 'records-gone' | 'log-shorter' | 'topic-remade';
  /** Where it would have read on; undefined when nothing is committed, or nothing that means anything. */
  readonly from: Offset | undefined;
  /** Where it reads on. */
  readonly to: Offset;
  /** The offset that the next record will get, where it is known. */
  readonly end: Offset | undefined;
  /** Offsets that no reader of the group will ever see; records that were compacted away earlier are among them. */
  readonly lost: bigint;
}

/** The callbacks of a consumer. None may throw: a throw inside a driver's callback stops that driver for good. */
export interface ConsumerEvents {
  /**
   * Records of one partition in offset order. Returns at once; back-pressure is `pause`. `next` is the offset from which is read
   * on: what lies between the last record and it holds none (transaction markers, what was aborted or compacted away). So
   * there may be none at all.
   */
  onRecords(partition: TopicPartition, records: readonly ConsumedRecord[], highWatermark: Offset, next: Offset): void;
  onAssigned(partitions: readonly TopicPartition[]): void;
  /** Told once, before the records that follow. Nothing is told of a partition without a record: nothing is skipped or repeated in it. */
  onReset?(reset: OffsetReset): void;
  /** Awaited before the partitions are given away: drain what is in hand and commit, within the rebalance timeout. */
  onRevoking(partitions: readonly TopicPartition[]): Promise<void>;
  /** The partitions are gone already (session lost): commits for them are refused, only forget them. */
  onLost(partitions: readonly TopicPartition[]): void;
  /** The consumer stopped and will not come back by itself; the supervisor decides. */
  onFatal(error: ClassifiedError): void;
}

export interface Consumer {
  /** Joins the group and begins to deliver. Resolves once the first assignment is known, empty ones included. */
  start(events: ConsumerEvents): Promise<void>;
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /** The next record delivered for the partition has this offset or a later one. Records already handed over stay handed over. */
  seek(partition: TopicPartition, offset: Offset): void;
  /**
   * Commits the offset of the *next* record to read. Rejects with KAFKA_UNAVAILABLE when it may be tried again; resolves
   * with `false` when the partition is no longer ours (a commit of a zombie changes nothing).
   */
  commit(positions: readonly (TopicPartition & { readonly offset: Offset })[]): Promise<boolean>;
  stop(): Promise<void>;
}

export interface TopicDeclaration {
  readonly topic: string;
  readonly partitions: number;
  readonly retentionMs: number;
  readonly replicationFactor: number;
  readonly config?: Readonly<Record<string, string>>;
  /** For a topic that holds the letters of another one: it takes every record of that one, and so many bytes beside it. */
  readonly lettersOf?: { readonly topic: string; readonly roomBytes: number };
}

export interface GroupMemberFacts {
  readonly clientId: string;
  /** What it subscribes to; undefined while that cannot be told: the group is being dealt out, or the member is of another protocol. */
  readonly topics: readonly string[] | undefined;
}

export interface BrokerAdmin {
  /**
   * Makes what is missing, adds partitions and corrects settings; returns what it changed, empty the second time. `max.message.bytes`
   * is only ever raised: who allowed larger records has reasons.
   */
  ensureTopics(topics: readonly TopicDeclaration[]): Promise<readonly string[]>;
  listTopics(): Promise<readonly string[]>;
  deleteTopics(topics: readonly string[]): Promise<void>;
  /** Removes the records below the offset from each partition, for good; an offset that is past already changes nothing. */
  deleteRecords(positions: readonly (TopicPartition & { readonly offset: Offset })[]): Promise<void>;
  /** Unknown topics are left out. */
  offsets(topics: readonly string[]): Promise<readonly PartitionOffsets[]>;
  /** Committed offsets of a group; partitions without one are left out. */
  committed(group: string, topics: readonly string[]): Promise<readonly (TopicPartition & { readonly offset: Offset })[]>;
  /** Who is in the group now; nobody, where there is no such group. */
  members(group: string): Promise<readonly GroupMemberFacts[]>;
  deleteGroups(groups: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}
