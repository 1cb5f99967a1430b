import type { Producer } from '../../core/broker.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { recordBytes, type ProducerRecord } from '../../core/record.ts';
import { classifyKafkaError, isLostSequence, isUnknownTopic } from './kafkajs-errors.ts';
import { KafkaJsProducerLife, type ProducerLifeOptions } from './kafkajs-producer-life.ts';
import { sendChunks } from './send-chunks.ts';

/** How long one call to the brokers may take, its retries inside kafkajs included. */
const SEND_TIMEOUT_MS = 20_000;
/** A topic that was just made is not known to every broker at once. */
const UNKNOWN_TOPIC_GRACE_MS = 5_000;
const UNKNOWN_TOPIC_RETRY_MS = 250;

/**
 * `start` does not wait for the brokers: it begins to connect and resolves, so that a process can start while Kafka is down;
 * `send` connects when it must. A send that fails rejects after some 20 s at the latest and leaves nothing behind but a
 * producer id: the next one gets a new one (see KafkaJsProducerLife).
 *
 * Records are cut into batches that fit; a batch that is too large for its topic is halved until the one record is found
 * that RECORD_TOO_LARGE or RECORD_REJECTED is about. Everything before that record has been appended.
 */
export class KafkaJsProducer implements Producer {
  private readonly options: ProducerLifeOptions;
  private readonly ending = new Set<Promise<void>>();
  private life: KafkaJsProducerLife | undefined;
  private stopped = false;

  constructor(options: ProducerLifeOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    if (this.stopped) return;
    const life = this.current();
    life.connect().catch((thrown: unknown) => {
      const failure = classifyKafkaError(thrown, 'the producer could not connect yet');
      this.options.logger.warn({ 'error.code': failure.code }, `${failure.message}; it tries again with the next send`, failure);
      this.endLife(life);
    });
  }

  async send(records: readonly ProducerRecord[]): Promise<void> {
    for (const chunk of sendChunks(records)) await this.sendChunk(chunk);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    if (this.life !== undefined) this.endLife(this.life);
    await Promise.all(this.ending);
  }

  private async sendChunk(records: readonly ProducerRecord[]): Promise<void> {
    try {
      await this.sendPatiently(records);
    } catch (thrown) {
      const failure = this.classify(thrown, records);
      const { code } = failure;
      if (records.length === 1 || (code !== 'RECORD_TOO_LARGE' && code !== 'RECORD_REJECTED')) throw failure;
      const half = Math.ceil(records.length / 2);
      await this.sendChunk(records.slice(0, half));
      await this.sendChunk(records.slice(half));
    }
  }

  /** Once, and again when the failure says that another attempt of our own will do. */
  private async sendPatiently(records: readonly ProducerRecord[]): Promise<void> {
    const giveUpAtMs = performance.now() + UNKNOWN_TOPIC_GRACE_MS;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.sendOnce(records);
        return;
      } catch (thrown) {
        const again = (isLostSequence(thrown) && attempt < 3) || (isUnknownTopic(thrown) && performance.now() < giveUpAtMs);
        if (!again) throw thrown;
        if (isUnknownTopic(thrown)) await new Promise((resolve) => setTimeout(resolve, UNKNOWN_TOPIC_RETRY_MS));
      }
    }
  }

  private async sendOnce(records: readonly ProducerRecord[]): Promise<void> {
    if (this.stopped) throw new ClassifiedError('KAFKA_UNAVAILABLE', 'the producer is stopped');
    const life = this.current();
    try {
      await life.send(records, SEND_TIMEOUT_MS);
    } catch (thrown) {
      this.endLife(life);
      throw thrown;
    }
  }

  private current(): KafkaJsProducerLife {
    this.life ??= new KafkaJsProducerLife(this.options);
    return this.life;
  }

  private endLife(life: KafkaJsProducerLife): void {
    if (this.life === life) this.life = undefined;
    const end = life.end().finally(() => this.ending.delete(end));
    this.ending.add(end);
  }

  private classify(thrown: unknown, records: readonly ProducerRecord[]): ClassifiedError {
    const [first] = records;
    const what =
      records.length === 1 && first !== undefined ? `a record of ${recordBytes(first)} bytes for topic ${first.topic}` : 'the records';
    return classifyKafkaError(thrown, `${what} could not be sent`);
  }
}
