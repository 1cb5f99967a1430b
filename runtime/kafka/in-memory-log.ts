import type { TopicDeclaration } from '../../core/broker.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { TopicFacts } from '../../core/log-reader.ts';
import { maxOffset, offset, type Offset } from '../../core/offset.ts';
import { recordBytes, type ConsumedRecord, type ProducerRecord, type TopicPartition } from '../../core/record.ts';
import { partitionOfKey } from '../../core/partition-of-key.ts';
import { declaredConfig, type ExistingTopic } from './topic-plan.ts';

/** Kafka's default `max.message.bytes`, and what the framing of a batch with one record takes of it. */
const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588;
const BATCH_OVERHEAD_BYTES = 80;

interface Topic {
  readonly id: string;
  readonly partitions: ConsumedRecord[][];
  /** Per partition what was deleted from its beginning. */
  readonly deletedBefore: Map<number, Offset>;
  readonly config: Map<string, string>;
  roundRobin: number;
}

type StoredRecord = Pick<ConsumedRecord, 'key' | 'value' | 'headers' | 'timestampMs'>;

/** Topics, partitions and their records: the part of a broker that knows nothing of groups. */
export class InMemoryLog {
  private readonly topics = new Map<string, Topic>();
  private created = 0;

  create(topic: TopicDeclaration): void {
    this.created += 1;
    this.topics.set(topic.topic, {
      id: `topic-${this.created}`,
      partitions: Array.from({ length: topic.partitions }, () => []),
      deletedBefore: new Map(),
      config: new Map(declaredConfig(topic)),
      roundRobin: 0,
    });
  }

  addPartitions(name: string, total: number): void {
    const topic = this.existing(name);
    while (topic.partitions.length < total) topic.partitions.push([]);
  }

  configure(name: string, config: ReadonlyMap<string, string>): void {
    const topic = this.existing(name);
    for (const [setting, value] of config) topic.config.set(setting, value);
  }

  delete(name: string): void {
    this.topics.delete(name);
  }

  names(): string[] {
    return [...this.topics.keys()].sort();
  }

  describe(): ReadonlyMap<string, ExistingTopic> {
    return new Map([...this.topics].map(([name, topic]) => [name, { partitions: topic.partitions.length, config: topic.config }]));
  }

  facts(names: readonly string[]): Omit<TopicFacts, 'partitions'>[] {
    return names.flatMap((topic) => {
      const found = this.topics.get(topic);
      if (found === undefined) return [];
      const retentionMs = Number(found.config.get('retention.ms') ?? -1);
      return [{ topic, id: found.id, retentionMs: retentionMs < 0 ? undefined : retentionMs, removesYoung: false }];
    });
  }

  partitionsOf(name: string): TopicPartition[] {
    return (this.topics.get(name)?.partitions ?? []).map((_, partition) => ({ topic: name, partition }));
  }

  /** All or nothing. @throws ClassifiedError CONFIGURATION_INVALID, RECORD_TOO_LARGE. */
  append(records: readonly ProducerRecord[], nowMs: number): void {
    for (const record of records) refuseTooLarge(record, this.existing(record.topic).config);
    const placed = records.map((record) => ({ record, log: this.place(record) }));
    for (const { record, log } of placed) {
      push(log.entries, { topic: record.topic, partition: log.partition }, { ...record, timestampMs: record.timestampMs ?? nowMs });
    }
  }

  /** All or nothing; the size is looked at before the records. @throws ClassifiedError CONFIGURATION_INVALID, RECORD_TOO_LARGE. */
  appendBatch(partition: TopicPartition, bytes: number, records: () => readonly StoredRecord[]): void {
    const { config } = this.existing(partition.topic);
    const { entries } = this.partition(partition);
    if (bytes > limitOf(config)) throw new ClassifiedError('RECORD_TOO_LARGE', `a batch of ${bytes} bytes for topic ${partition.topic}`);
    for (const record of records()) push(entries, partition, record);
  }

  read({ topic, partition }: TopicPartition, from: Offset, limit: number): readonly ConsumedRecord[] {
    const entries = this.topics.get(topic)?.partitions[partition] ?? [];
    const first = Number(maxOffset(from, this.earliest({ topic, partition })));
    return entries.slice(first, first + limit);
  }

  /** @throws ClassifiedError CONFIGURATION_INVALID */
  deleteBefore(partition: TopicPartition, before: Offset): void {
    this.partition(partition);
    if (before <= this.earliest(partition)) return;
    if (before > this.end(partition)) throw new ClassifiedError('CONFIGURATION_INVALID', `topic ${partition.topic} ends before ${before}`);
    this.existing(partition.topic).deletedBefore.set(partition.partition, before);
  }

  earliest({ topic, partition }: TopicPartition): Offset {
    return this.topics.get(topic)?.deletedBefore.get(partition) ?? offset(0n);
  }

  end({ topic, partition }: TopicPartition): Offset {
    return offset(BigInt(this.topics.get(topic)?.partitions[partition]?.length ?? 0));
  }

  private place(record: ProducerRecord): { partition: number; entries: ConsumedRecord[] } {
    const topic = this.existing(record.topic);
    return this.partition({ topic: record.topic, partition: record.partition ?? choosePartition(record.key, topic) });
  }

  private partition({ topic, partition }: TopicPartition): { partition: number; entries: ConsumedRecord[] } {
    const entries = this.existing(topic).partitions[partition];
    if (entries === undefined) throw new ClassifiedError('CONFIGURATION_INVALID', `topic ${topic} has no partition ${partition}`);
    return { partition, entries };
  }

  private existing(name: string): Topic {
    const topic = this.topics.get(name);
    if (topic === undefined) throw new ClassifiedError('CONFIGURATION_INVALID', `topic ${name} does not exist`);
    return topic;
  }
}

function choosePartition(key: Uint8Array | null, topic: Topic): number {
  if (key !== null) return partitionOfKey(key, topic.partitions.length);
  topic.roundRobin += 1;
  return topic.roundRobin % topic.partitions.length;
}

function refuseTooLarge(record: ProducerRecord, config: ReadonlyMap<string, string>): void {
  const bytes = recordBytes(record) + BATCH_OVERHEAD_BYTES;
  if (bytes > limitOf(config)) throw new ClassifiedError('RECORD_TOO_LARGE', `a record of ${bytes} bytes for topic ${record.topic}`);
}

function limitOf(config: ReadonlyMap<string, string>): number {
  return Number(config.get('max.message.bytes') ?? DEFAULT_MAX_MESSAGE_BYTES);
}

/** The log's own bytes: the caller's buffers may be used again. */
function push(entries: ConsumedRecord[], { topic, partition }: TopicPartition, record: StoredRecord): void {
  entries.push({
    topic,
    partition,
    offset: offset(BigInt(entries.length)),
    key: copy(record.key),
    value: copy(record.value),
    headers: record.headers.map(([name, value]) => [name, copy(value)] as const),
    timestampMs: record.timestampMs,
  });
}

function copy(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : Uint8Array.from(bytes);
}
