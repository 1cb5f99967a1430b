import { setMaxListeners } from 'node:events';
import { ClassifiedError, type ErrorCode } from '../../core/errors.ts';
import type { HealthReport } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import type { BatchProducer, RecordBatch } from '../../core/record-batch.ts';
import { DEFAULT_REQUEST_TIMEOUT_MS, type KafkaJsSettings } from './kafkajs-client.ts';
import { classifyKafkaError } from './kafkajs-errors.ts';
import type { KafkaJsNode } from './kafkajs-node.ts';
import { AnsweredError, KafkaJsTopology } from './kafkajs-topology.ts';
import { PartitionSequence, type ProducerIdentity } from './partition-sequence.ts';
import { NO_ANSWER, NOT_SENT, produceAnswer, type ProduceVerdict } from './produce-answers.ts';
import { partitionKey } from './produce-request.ts';
import { NotSentError, ProduceTurn } from './produce-turn.ts';
import { completeRecordBatch } from './record-batch-head.ts';
import { RetryPatience } from './retry-patience.ts';
import { settledWithin } from './within.ts';

export interface BatchProducerOptions {
  readonly settings: KafkaJsSettings;
  readonly clientId: string;
  readonly logger: Logger;
}

/** No failure of Kafka's. */
const GIVEN_UP = 'its caller gave it up';
const DEFAULT_DELIVERY_TIMEOUT_MS = 20_000;
/** A topic that was just made is not known to every broker at once; damage on the way happens once. */
const BRIEFLY_MS = 5_000;
/** Above what any broker takes in one request by default: it would close the connection instead of answering. */
const MAX_BATCH_BYTES = 100_000_000;

interface Target {
  readonly topic: string;
  readonly partition: number;
  readonly sequence: PartitionSequence;
}

/** What came of one attempt, and how the brokers or the client call it. */
interface Attempt {
  readonly verdict: ProduceVerdict;
  readonly name: string;
  readonly cause?: unknown;
}

/**
 * The batch producer over kafkajs's own connections: metadata, TLS and SASL are kafkajs's, the produce requests are written
 * here (see kafkajs-raw-request.ts), and so are retries and sequences (see PartitionSequence). kafkajs's producer is not used.
 *
 * An append is tried for 20 s with growing waits: the same bytes again after an answer that may pass, after a connection
 * that was lost, and after one on which a request stayed without an answer, which is replaced.
 */
export class KafkaJsBatchProducer implements BatchProducer {
  private readonly options: BatchProducerOptions;
  private readonly requestTimeoutMs: number;
  private readonly topology: KafkaJsTopology;
  private readonly turns = new WeakMap<KafkaJsNode, ProduceTurn>();
  private readonly sequences = new Map<string, PartitionSequence>();
  private readonly underWay = new Map<string, Promise<void>>();
  private readonly ending = new AbortController();
  private identity: Promise<ProducerIdentity> | undefined;
  private stopping: Promise<void> | undefined;
  private failing: string | undefined;
  private repeated = 0;

  constructor(options: BatchProducerOptions) {
    // One for each append that waits, and there may be as many as partitions.
    setMaxListeners(0, this.ending.signal);
    this.options = options;
    this.requestTimeoutMs = options.settings.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS;
    this.topology = new KafkaJsTopology(options.settings, options.clientId);
  }

  async start(): Promise<void> {
    try {
      await this.currentIdentity();
      this.failing = undefined;
    } catch (thrown) {
      const failure = classifyKafkaError(thrown, 'the batch producer could not connect yet');
      this.failing = failure.message;
      this.options.logger.warn({ 'error.code': failure.code }, `${failure.message}; it tries again with the first batch`, failure);
    }
  }

  async partitionCount(topic: string): Promise<number> {
    const patience = this.newPatience();
    for (;;) {
      try {
        return await this.topology.partitionCount(topic);
      } catch (thrown) {
        const { verdict, name, cause } = attemptOf(thrown, NOT_SENT);
        const code = await this.finalCode(verdict, patience);
        if (code !== undefined) throw refusal(code, `topic ${topic}: its partitions could not be asked for: ${name}`, cause);
      }
    }
  }

  knownPartitionCount(topic: string): number | undefined {
    return this.topology.knownPartitionCount(topic);
  }

  async append(topic: string, partition: number, batch: RecordBatch, signal?: AbortSignal): Promise<void> {
    const key = partitionKey(topic, partition);
    if (this.stopping !== undefined) throw new ClassifiedError('KAFKA_UNAVAILABLE', 'the batch producer is stopped');
    if (this.underWay.has(key)) throw new ClassifiedError('UNCLASSIFIED', `two batches at a time for ${key}: this is a bug of the caller`);
    if (batch.bytes.length > MAX_BATCH_BYTES) throw tooLarge(topic, batch);
    const work = this.deliver({ topic, partition, sequence: this.sequenceOf(key) }, batch, signal);
    this.underWay.set(key, work);
    try {
      await work;
    } finally {
      this.underWay.delete(key);
    }
  }

  stop(): Promise<void> {
    this.stopping ??= this.stopNow();
    return this.stopping;
  }

  health(): HealthReport {
    return {
      name: `kafka.batch-producer.${this.options.clientId}`,
      status: this.failing === undefined ? 'ok' : 'down',
      ...(this.failing === undefined ? {} : { detail: `batches are not accepted: ${this.failing}` }),
      facts: { connected: this.topology.isConnected(), underWay: this.underWay.size, repeated: this.repeated },
    };
  }

  isStopped(): boolean {
    return this.stopping !== undefined;
  }

  private async deliver(target: Target, batch: RecordBatch, signal: AbortSignal | undefined): Promise<void> {
    const patience = this.newPatience(signal);
    for (;;) {
      const { verdict, name, cause } = await this.attempt(target, batch, signal);
      this.note(target, batch, verdict, name);
      if (verdict.then === 'appended') return;
      const code = await this.finalCode(verdict, patience);
      if (code === 'RECORD_TOO_LARGE') throw tooLarge(target.topic, batch);
      if (code !== undefined)
        throw refusal(code, `a batch for ${partitionKey(target.topic, target.partition)} was not acknowledged: ${name}`, cause);
      this.repeated += 1;
    }
  }

  /** Waits when there is something to wait for. Undefined: try again. */
  private async finalCode(verdict: ProduceVerdict, patience: RetryPatience): Promise<ErrorCode | undefined> {
    if (verdict.then === 'never') return verdict.code;
    const answer = await patience.afterFailure(verdict.then === 'again-briefly');
    if (answer === 'again') return undefined;
    return answer === 'lasted' && verdict.then === 'again-briefly' ? verdict.code : 'KAFKA_UNAVAILABLE';
  }

  /** Never rejects. */
  private async attempt({ topic, partition, sequence }: Target, batch: RecordBatch, signal: AbortSignal | undefined): Promise<Attempt> {
    let leader: KafkaJsNode;
    try {
      const identity = await this.currentIdentity();
      leader = await this.topology.leader(topic, partition);
      if (signal?.aborted === true) return { verdict: NOT_SENT, name: GIVEN_UP };
      completeRecordBatch(batch, sequence.stamp(batch, identity));
    } catch (thrown) {
      return attemptOf(thrown, NOT_SENT);
    }
    try {
      return produceAnswer(await this.turnOf(leader).send({ topic, partition, batch }));
    } catch (thrown) {
      return attemptOf(thrown, thrown instanceof NotSentError ? NOT_SENT : NO_ANSWER);
    }
  }

  /** What the attempt means for the next one. */
  private note({ topic, partition, sequence }: Target, batch: RecordBatch, verdict: ProduceVerdict, name: string): void {
    if (name !== GIVEN_UP) this.failing = verdict.then === 'appended' || verdict.then === 'never' ? undefined : name;
    switch (verdict.then) {
      case 'appended':
        sequence.appended(batch);
        return;
      case 'again':
        if (verdict.leaderMoved) this.topology.leaderMoved(topic);
        if (verdict.mayBeAppended) sequence.fateUnknown();
        else sequence.notAppended();
        return;
      case 'again-briefly':
        this.topology.leaderMoved(topic);
        sequence.notAppended();
        return;
      case 'never':
        sequence.notAppended();
        return;
      case 'next-epoch':
      case 'next-identity':
        this.options.logger.warn(
          { 'kafka.topic': topic, 'kafka.partition': partition },
          `the broker does not accept the sequence of a batch (${name}); the numbering of this partition begins anew`,
        );
        if (verdict.then === 'next-epoch') sequence.outOfSequence();
        else this.leaveIdentity(sequence);
    }
  }

  private leaveIdentity(sequence: PartitionSequence): void {
    // Other partitions go on with theirs until they hear the same.
    sequence.identityTaken();
    this.identity = undefined;
  }

  private currentIdentity(): Promise<ProducerIdentity> {
    if (this.identity === undefined) {
      const asking = this.askIdentity();
      this.identity = asking;
      asking.catch(() => {
        if (this.identity === asking) this.identity = undefined;
      });
    }
    return this.identity;
  }

  private newPatience(signal?: AbortSignal): RetryPatience {
    const giveUpAfterMs = this.options.settings.deliveryTimeoutMs ?? DEFAULT_DELIVERY_TIMEOUT_MS;
    const signals = signal === undefined ? [this.ending.signal] : [this.ending.signal, signal];
    return new RetryPatience({ giveUpAfterMs, briefMs: BRIEFLY_MS, signals });
  }

  private askIdentity(): Promise<ProducerIdentity> {
    return this.topology.withAnyBroker(async (broker) => {
      const { producerId, producerEpoch } = await broker.initProducerId({ transactionalId: null, transactionTimeout: 60_000 });
      return { producerId: BigInt(producerId), producerEpoch };
    });
  }

  private sequenceOf(key: string): PartitionSequence {
    const known = this.sequences.get(key);
    if (known !== undefined) return known;
    const sequence = new PartitionSequence();
    this.sequences.set(key, sequence);
    return sequence;
  }

  private turnOf(node: KafkaJsNode): ProduceTurn {
    const known = this.turns.get(node);
    if (known !== undefined) return known;
    const turn = new ProduceTurn(node, this.requestTimeoutMs);
    this.turns.set(node, turn);
    return turn;
  }

  private async stopNow(): Promise<void> {
    this.ending.abort();
    await settledWithin(this.requestTimeoutMs, Promise.allSettled(this.underWay.values()));
    this.topology.close();
  }
}

/** What was thrown instead of an answer, as an attempt. */
function attemptOf(thrown: unknown, verdict: ProduceVerdict): Attempt {
  if (thrown instanceof AnsweredError) return produceAnswer(thrown.errorCode);
  const { code, message } = classifyKafkaError(thrown, 'no answer');
  return { verdict: code === 'CONFIGURATION_INVALID' ? { then: 'never', code } : verdict, name: message, cause: thrown };
}

function refusal(code: ErrorCode, message: string, cause: unknown): ClassifiedError {
  return new ClassifiedError(code, message, cause === undefined ? {} : { cause });
}

function tooLarge(topic: string, { bytes, recordCount }: RecordBatch): ClassifiedError {
  return new ClassifiedError('RECORD_TOO_LARGE', `a batch of ${recordCount} records and ${bytes.length} bytes for topic ${topic}`);
}
