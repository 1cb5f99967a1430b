import type {
  BrokerAdmin,
  BrokerDriver,
  Consumer,
  ConsumerEvents,
  ConsumerOptions,
  OffsetReset,
  Producer,
  TopicDeclaration,
} from '../../core/broker.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Offset } from '../../core/offset.ts';
import { utf8, utf8Text, type ConsumedRecord, type Header, type ProducerRecord, type TopicPartition } from '../../core/record.ts';
import { eventually } from '../support/eventually.ts';

/** Errors that an adapter logged: what must not be thrown has to be said somewhere. */
export class RecordingLogger implements Logger {
  readonly errors: string[] = [];
  debug(): void {
    return undefined;
  }
  info(): void {
    return undefined;
  }
  warn(): void {
    return undefined;
  }
  error(_fields: object, message: string): void {
    this.errors.push(message);
  }
  child(): Logger {
    return this;
  }
}

/** For a topic that gets records with times of long ago: with a retention the broker may delete them before they are read. */
export const KEEPS_OLD_RECORDS: Partial<TopicDeclaration> = { retentionMs: -1 };

/** One adapter with topics and groups of its own, and everything that was opened, so that all of it can be closed. */
export class BrokerUnderTest {
  readonly admin: BrokerAdmin;
  readonly producer: Producer;
  readonly driver: BrokerDriver;
  private readonly namespace: string;
  private readonly readers: Reader[] = [];
  private readonly topics: string[] = [];
  private readonly groups: string[] = [];
  private count = 0;

  constructor(driver: BrokerDriver, namespace: string) {
    this.driver = driver;
    this.namespace = namespace;
    this.admin = driver.admin();
    this.producer = driver.producer({ clientId: namespace });
  }

  declaration(partitions = 1, more: Partial<TopicDeclaration> = {}): TopicDeclaration {
    const topic = `${this.namespace}.topic-${(this.count += 1)}`;
    this.topics.push(topic);
    return { topic, partitions, retentionMs: 3_600_000, replicationFactor: 1, ...more };
  }

  async topic(partitions = 1, more: Partial<TopicDeclaration> = {}): Promise<string> {
    const declaration = this.declaration(partitions, more);
    await this.admin.ensureTopics([declaration]);
    return declaration.topic;
  }

  group(): string {
    const group = `${this.namespace}.group-${(this.count += 1)}`;
    this.groups.push(group);
    return group;
  }

  reader(options: Pick<ConsumerOptions, 'group' | 'topics'> & Partial<ConsumerOptions>, behaviour: Partial<ConsumerEvents> = {}): Reader {
    const reader = new Reader(
      this.driver.consumer({ from: 'earliest', sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 15_000, ...options }),
      behaviour,
    );
    this.readers.push(reader);
    return reader;
  }

  async send(topic: string, values: readonly string[], key = 'k'): Promise<void> {
    await this.producer.send(values.map((value) => record(topic, key, value)));
  }

  /** After each test: a group that nobody leaves would hold up nothing but its own deletion. */
  async stopReaders(): Promise<void> {
    await Promise.all(this.readers.splice(0).map((reader) => reader.consumer.stop()));
  }

  async close(): Promise<void> {
    await this.stopReaders();
    await this.producer.stop();
    await eventually(() => this.admin.deleteGroups(this.groups), { timeoutMs: 20_000, everyMs: 250 });
    await this.admin.deleteTopics(this.topics);
    await this.admin.stop();
  }
}

/** A consumer and everything that it was told. */
export class Reader {
  readonly consumer: Consumer;
  readonly records: ConsumedRecord[] = [];
  readonly highWatermarks: Offset[] = [];
  readonly lost: TopicPartition[] = [];
  readonly resets: OffsetReset[] = [];
  readonly fatal: ClassifiedError[] = [];
  assigned: TopicPartition[] = [];
  revocations = 0;
  private readonly behaviour: Partial<ConsumerEvents>;

  constructor(consumer: Consumer, behaviour: Partial<ConsumerEvents>) {
    this.consumer = consumer;
    this.behaviour = behaviour;
  }

  async start(): Promise<this> {
    await this.consumer.start({
      onRecords: (partition, records, highWatermark, next) => {
        this.behaviour.onRecords?.(partition, records, highWatermark, next);
        this.records.push(...records);
        this.highWatermarks.push(highWatermark);
      },
      onAssigned: (partitions) => {
        this.assigned = [...partitions];
        this.behaviour.onAssigned?.(partitions);
      },
      onRevoking: async (partitions) => {
        this.revocations += 1;
        await this.behaviour.onRevoking?.(partitions);
        this.assigned = [];
      },
      onLost: (partitions) => {
        this.lost.push(...partitions);
        this.assigned = [];
      },
      onReset: (reset) => this.resets.push(reset),
      onFatal: (error) => this.fatal.push(error),
    });
    return this;
  }

  get values(): (string | null)[] {
    return this.records.map(({ value }) => (value === null ? null : utf8Text(value)));
  }

  async untilRead(count: number, timeoutMs = 15_000): Promise<void> {
    await eventually(
      () => {
        if (this.records.length < count) throw new Error(`read ${this.records.length} of ${count} records`);
      },
      { timeoutMs },
    );
  }
}

export function record(topic: string, key: string | null, value: string | null, headers: readonly Header[] = []): ProducerRecord {
  return { topic, key: key === null ? null : utf8(key), value: value === null ? null : utf8(value), headers };
}
