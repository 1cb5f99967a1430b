import type { Message, Producer as KafkaProducer, RecordMetadata, TopicMessages } from 'kafkajs';
import { ClassifiedError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { ProducerRecord } from '../../core/record.ts';
import { createKafkaJsClient, DEFAULT_METADATA_MAX_AGE_MS, DEFAULT_REQUEST_TIMEOUT_MS, type KafkaJsSettings } from './kafkajs-client.ts';
import { kafkaMessage } from './kafkajs-records.ts';
import { StickyPartitioner } from './sticky-partitioner.ts';
import { within } from './within.ts';

export interface ProducerLifeOptions {
  readonly settings: KafkaJsSettings;
  readonly clientId: string;
  readonly patched: boolean;
  readonly logger: Logger;
}

/**
 * One producer id, from its first connection to its first failure. After a failed send nobody knows which of its sequence
 * numbers the broker has seen: kafkajs would give the same numbers to the next records, and the broker would take those
 * for repetitions and drop them. So a life ends with its first failure, and the next send begins another one.
 */
export class KafkaJsProducerLife {
  private readonly options: ProducerLifeOptions;
  private readonly partitioner = new StickyPartitioner();
  private readonly producer: KafkaProducer;
  private connecting: Promise<void> | undefined;
  private sending = 0;
  private ended = false;
  private idle: () => void = () => undefined;

  constructor(options: ProducerLifeOptions) {
    this.options = options;
    this.producer = createKafkaJsClient(options.settings, options.clientId).producer({
      idempotent: true,
      // kafkajs sends one produce request per broker at a time for an idempotent producer; the rest is for metadata.
      maxInFlightRequests: 5,
      allowAutoTopicCreation: false,
      metadataMaxAge: options.settings.metadataMaxAgeMs ?? DEFAULT_METADATA_MAX_AGE_MS,
      createPartitioner: this.partitioner.create,
    });
  }

  connect(): Promise<void> {
    this.connecting ??= this.outlasting(this.producer.connect());
    return this.connecting;
  }

  /** Resolves when every record is acknowledged by all in-sync replicas. */
  async send(records: readonly ProducerRecord[], timeoutMs: number): Promise<void> {
    this.sending += 1;
    try {
      await within(timeoutMs, this.outlasting(this.sendAll(records)), 'Kafka did not acknowledge the records in time');
    } finally {
      this.sending -= 1;
      if (this.sending === 0) this.idle();
    }
  }

  /** Disconnects when what is being sent has been answered. Never rejects. */
  async end(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    if (this.sending > 0) await new Promise<void>((resolve) => (this.idle = resolve));
    await this.disconnect();
  }

  /** What kafkajs still does for a send that was given up may connect again: whatever is done last disconnects. */
  private async outlasting(work: Promise<void>): Promise<void> {
    try {
      await work;
    } finally {
      if (this.ended) void this.disconnect();
    }
  }

  private async disconnect(): Promise<void> {
    try {
      await within(5_000, this.producer.disconnect(), 'the producer did not disconnect in time');
    } catch (thrown) {
      this.options.logger.warn({}, 'a producer was abandoned while it disconnected', thrown);
    }
  }

  private async sendAll(records: readonly ProducerRecord[]): Promise<void> {
    await this.connect();
    const messages = messagesByTopic(records, this.options.patched);
    const acknowledged = await this.producer.sendBatch({
      acks: -1,
      timeout: this.options.settings.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
      topicMessages: messages,
    });
    this.refuseMissing(messages, acknowledged);
  }

  /** When a partition moves between two attempts to a broker that has answered already, kafkajs forgets its records and resolves. */
  private refuseMissing(sent: readonly TopicMessages[], acknowledged: readonly RecordMetadata[]): void {
    const answered = new Set(acknowledged.map(({ topicName, partition }) => `${topicName}/${partition}`));
    for (const { topic, messages } of sent) {
      for (const message of messages) {
        if (answered.has(`${topic}/${this.partitioner.partitionOf(message) ?? -1}`)) continue;
        throw new ClassifiedError('KAFKA_UNAVAILABLE', `topic ${topic}: a partition was left without an answer`);
      }
    }
  }
}

function messagesByTopic(records: readonly ProducerRecord[], patched: boolean): TopicMessages[] {
  const nowMs = Date.now();
  const topics = new Map<string, Message[]>();
  for (const record of records) {
    const messages = topics.get(record.topic) ?? [];
    topics.set(record.topic, messages);
    messages.push(kafkaMessage(record, patched, nowMs));
  }
  return [...topics].map(([topic, messages]) => ({ topic, messages }));
}
