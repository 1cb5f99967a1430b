import type { BrokerAdmin, BrokerDriver, Consumer, ConsumerOptions, Producer, TopicDeclaration } from '../../core/broker.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { LogReader, PartitionOffsets } from '../../core/log-reader.ts';
import { SILENT_LOGGER, type Logger } from '../../core/log.ts';
import { maxOffset, offset, type Offset } from '../../core/offset.ts';
import type { BatchProducer } from '../../core/record-batch.ts';
import type { ConsumedRecord, TopicPartition } from '../../core/record.ts';
import { InMemoryBatchProducer, type InMemoryBatchServer } from './in-memory-batch-producer.ts';
import { InMemoryConsumer, type InMemoryServer } from './in-memory-consumer.ts';
import { InMemoryGroup } from './in-memory-group.ts';
import { InMemoryLog } from './in-memory-log.ts';
import { describeTopicChange, planTopics, type TopicChange } from './topic-plan.ts';

export interface InMemoryBrokerOptions {
  readonly logger?: Logger;
  /** Timestamp of records that bring none. */
  readonly nowMs?: () => number;
}

const LOG_SLICE_RECORDS = 500;

/** What a test may look at and break. */
export interface InMemoryBrokerInspection {
  /** The records of a topic, partition by partition, each in offset order. */
  records(topic: string): readonly ConsumedRecord[];
  /** The next send rejects. `appended`: after the records were appended, as when the acknowledgement gets lost. */
  failNextSend(options?: { readonly appended?: boolean; readonly error?: ClassifiedError }): void;
  /** While it lasts everything rejects with KAFKA_UNAVAILABLE, nothing is delivered, and a consumer that starts waits. */
  setOutage(away: boolean): void;
  /** Every member of the group loses its partitions at once, as after a session timeout, and joins again. */
  expireSessions(group: string): void;
}

/** A broker inside the process, for tests and for development without servers. Same promises, same partitioner, no disk. */
export function createInMemoryBroker(options: InMemoryBrokerOptions = {}): BrokerDriver & InMemoryBrokerInspection {
  return new InMemoryBroker(options);
}

class InMemoryBroker implements BrokerDriver, InMemoryBrokerInspection, InMemoryServer, InMemoryBatchServer {
  readonly log = new InMemoryLog();
  readonly logger: Logger;
  private readonly nowMs: () => number;
  private readonly groups = new Map<string, InMemoryGroup>();
  private readonly failures: { appended: boolean; error: ClassifiedError }[] = [];
  private waitingForUp: (() => void)[] = [];
  private away = false;

  constructor(options: InMemoryBrokerOptions) {
    this.logger = options.logger ?? SILENT_LOGGER;
    this.nowMs = options.nowMs ?? Date.now;
  }

  producer(): Producer {
    let stopped = false;
    return {
      start: async () => undefined,
      send: async (records) => {
        if (stopped) throw new ClassifiedError('KAFKA_UNAVAILABLE', 'the producer is stopped');
        this.produce(() => {
          this.log.append(records, this.nowMs());
        });
      },
      stop: async () => {
        stopped = true;
      },
    };
  }

  batchProducer(): BatchProducer {
    return new InMemoryBatchProducer(this);
  }

  consumer(options: ConsumerOptions): Consumer {
    return new InMemoryConsumer(this, options);
  }

  admin(): BrokerAdmin {
    return {
      ensureTopics: async (topics) => this.read(() => this.ensureTopics(topics)),
      listTopics: async () => this.read(() => this.log.names()),
      deleteTopics: async (topics) => {
        this.read(() => {
          this.deleteTopics(topics);
        });
      },
      deleteRecords: async (positions) => {
        this.read(() => {
          for (const position of positions) this.log.deleteBefore(position, position.offset);
        });
      },
      offsets: async (topics) => this.read(() => this.offsets(topics)),
      committed: async (group, topics) => this.read(() => this.committed(group, topics)),
      members: async (group) => this.read(() => this.groups.get(group)?.facts() ?? []),
      deleteGroups: async (groups) => {
        this.read(() => {
          this.deleteGroups(groups);
        });
      },
      stop: async () => undefined,
    };
  }

  logReader(): LogReader {
    return {
      describe: async (topics) =>
        this.read(() => ({
          clusterId: 'in-memory',
          topics: this.log.facts(topics).map((facts) => ({ ...facts, partitions: this.offsets([facts.topic]) })),
        })),
      offsetsSince: async (topic, timestampMs) =>
        this.read(() =>
          this.log.partitionsOf(topic).flatMap((partition) => {
            const found = this.log.read(partition, 0n as Offset, Infinity).find((record) => record.timestampMs >= timestampMs);
            return found === undefined ? [] : [{ ...partition, offset: found.offset }];
          }),
        ),
      read: async (partition, from) =>
        this.read(() => {
          const records = this.log.read(partition, from, LOG_SLICE_RECORDS);
          const end = this.log.end(partition);
          const last = records.at(-1);
          return { records, next: last === undefined ? maxOffset(from, this.log.earliest(partition)) : offset(last.offset + 1n), end };
        }),
      stop: async () => undefined,
    };
  }

  records(topic: string): readonly ConsumedRecord[] {
    return this.log.partitionsOf(topic).flatMap((partition) => [...this.log.read(partition, 0n as Offset, Number.MAX_SAFE_INTEGER)]);
  }

  failNextSend(options: { readonly appended?: boolean; readonly error?: ClassifiedError } = {}): void {
    this.failures.push({
      appended: options.appended ?? false,
      error: options.error ?? new ClassifiedError('KAFKA_UNAVAILABLE', 'the records could not be sent'),
    });
  }

  setOutage(away: boolean): void {
    this.away = away;
    if (away) return;
    for (const resolve of this.waitingForUp.splice(0)) resolve();
    this.wakeAll();
  }

  expireSessions(group: string): void {
    this.groups.get(group)?.expire();
  }

  isUp(): boolean {
    return !this.away;
  }

  whenUp(): Promise<void> {
    return this.away ? new Promise((resolve) => this.waitingForUp.push(resolve)) : Promise.resolve();
  }

  group(name: string): InMemoryGroup {
    const existing = this.groups.get(name);
    if (existing !== undefined) return existing;
    const group = new InMemoryGroup((topic) => this.log.partitionsOf(topic));
    this.groups.set(name, group);
    return group;
  }

  produce(append: () => void): void {
    this.read(() => {
      const failure = this.failures.shift();
      if (failure?.appended !== false) append();
      this.wakeAll();
      if (failure !== undefined) throw failure.error;
    });
  }

  private ensureTopics(declared: readonly TopicDeclaration[]): readonly string[] {
    const changes = planTopics(declared, this.log.describe());
    for (const change of changes) this.apply(change);
    return changes.map(describeTopicChange);
  }

  private apply(change: TopicChange): void {
    switch (change.kind) {
      case 'create':
        this.log.create(change.topic);
        return;
      case 'add-partitions':
        this.log.addPartitions(change.topic, change.to);
        for (const group of this.groups.values()) void group.rebalance();
        return;
      case 'configure':
        this.log.configure(change.topic, change.config);
    }
  }

  private deleteTopics(topics: readonly string[]): void {
    for (const topic of topics) {
      this.log.delete(topic);
      for (const group of this.groups.values()) group.forgetTopic(topic);
    }
    for (const group of this.groups.values()) void group.rebalance();
  }

  private offsets(topics: readonly string[]): readonly PartitionOffsets[] {
    return this.existingPartitions(topics).map((partition) => ({
      ...partition,
      earliest: this.log.earliest(partition),
      end: this.log.end(partition),
    }));
  }

  private committed(group: string, topics: readonly string[]): (TopicPartition & { offset: Offset })[] {
    return this.existingPartitions(topics).flatMap((partition) => {
      const offset = this.groups.get(group)?.committedOffset(partition);
      return offset === undefined ? [] : [{ ...partition, offset }];
    });
  }

  private deleteGroups(groups: readonly string[]): void {
    const busy = groups.filter((group) => (this.groups.get(group)?.size ?? 0) > 0);
    if (busy.length > 0) throw new ClassifiedError('KAFKA_UNAVAILABLE', `group ${busy.join(', ')} still has members`);
    for (const group of groups) this.groups.get(group)?.committed.clear();
  }

  private existingPartitions(topics: readonly string[]): TopicPartition[] {
    return [...new Set(topics)].flatMap((topic) => this.log.partitionsOf(topic));
  }

  private wakeAll(): void {
    for (const group of this.groups.values()) group.wake();
  }

  read<T>(action: () => T): T {
    if (this.away) throw new ClassifiedError('KAFKA_UNAVAILABLE', 'the broker is away');
    return action();
  }
}
