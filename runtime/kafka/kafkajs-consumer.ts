import type { Consumer, ConsumerEvents, ConsumerOptions } from '../../core/broker.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { HealthReport } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import type { Offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';
import { reconnectDelayMs } from '../../core/retry-policy.ts';
import { GuardedEvents } from './guarded-events.ts';
import type { KafkaJsSettings } from './kafkajs-client.ts';
import type { Position } from './kafkajs-commit.ts';
import { classifyKafkaError, isUnknownTopic } from './kafkajs-errors.ts';
import { KafkaJsSession } from './kafkajs-session.ts';
import { RemadeTopics } from './kafkajs-remade-topics.ts';
import { TopicWatch } from './kafkajs-topic-watch.ts';

/** How long a topic may be unknown before it is a mistake: it may have been made a moment ago, or be about to be made. */
const UNKNOWN_TOPIC_GRACE_MS = 30_000;

export interface KafkaJsConsumerSettings {
  readonly settings: KafkaJsSettings;
  readonly patched: boolean;
  readonly logger: Logger;
}

/**
 * A consumer that comes back: whatever ends its session is followed by the next one, with growing pauses and without an end,
 * unless it can never work (authorization, an unsupported broker, a topic that stays unknown).
 *
 * `start` keeps trying while the brokers are away; it rejects only with CONFIGURATION_INVALID, and resolves when `stop` was
 * faster. After the first assignment the same errors go to `onFatal`. `stop` asks for the partitions back (`onRevoking`)
 * before it leaves the group. A partition that is assigned is never paused.
 */
export class KafkaJsConsumer implements Consumer {
  private readonly options: ConsumerOptions;
  private readonly dependencies: KafkaJsConsumerSettings;
  private readonly stopping = new AbortController();
  private readonly topicWatch: TopicWatch;
  private readonly remade = new RemadeTopics();
  private readonly begun = new Set<string>();
  private session: KafkaJsSession | undefined;
  private supervision: Promise<void> | undefined;
  private starting: Promise<void> | undefined;
  private lastCommit: Promise<unknown> = Promise.resolve();
  private joined = false;
  private state: 'new' | 'joining' | 'consuming' | 'failed' | 'stopped' = 'new';
  private restarts = 0;
  private foreignOffsets = 0;

  constructor(options: ConsumerOptions, dependencies: KafkaJsConsumerSettings) {
    this.options = options;
    this.dependencies = dependencies;
    this.topicWatch = new TopicWatch(options.topics);
  }

  start(events: ConsumerEvents): Promise<void> {
    this.starting ??= new Promise((resolve, reject) => {
      const guarded = new GuardedEvents(events, this.dependencies.logger);
      this.supervision = this.supervise(guarded, resolve).then(resolve, (error: unknown) => {
        this.state = 'failed';
        if (this.joined && error instanceof ClassifiedError) guarded.onFatal(error);
        // Without effect when the first assignment has resolved it.
        reject(error instanceof Error ? error : new Error(String(error)));
      });
    });
    return this.starting;
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.session?.pause(partitions);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.session?.resume(partitions);
  }

  seek(partition: TopicPartition, offset: Offset): void {
    this.session?.seek(partition, offset);
  }

  async commit(positions: readonly Position[]): Promise<boolean> {
    // One at a time: two that overlap could arrive in the other order and move an offset backwards.
    const turn = this.lastCommit.then(() => this.commitNow(positions));
    this.lastCommit = turn.catch(() => undefined);
    return turn;
  }

  async stop(): Promise<void> {
    if (this.state !== 'failed') this.state = 'stopped';
    this.stopping.abort();
    await this.session?.close();
    await this.supervision;
  }

  isStopped(): boolean {
    return this.stopping.signal.aborted;
  }

  health(): HealthReport {
    const { group } = this.options;
    const up = this.state === 'consuming' || this.state === 'stopped' || this.state === 'new';
    return {
      name: `kafka.consumer.${group}`,
      status: up ? 'ok' : 'down',
      ...(up ? {} : { detail: this.state === 'failed' ? 'the consumer has given up' : 'the consumer is joining its group' }),
      facts: { state: this.state, restarts: this.restarts, foreign_offsets: this.foreignOffsets },
    };
  }

  private async commitNow(positions: readonly Position[]): Promise<boolean> {
    try {
      return (await this.session?.commit(positions)) ?? false;
    } catch (thrown) {
      throw classifyKafkaError(thrown, 'the offsets could not be committed');
    }
  }

  /** Resolves when stopped. @throws ClassifiedError for what can never work. */
  private async supervise(events: GuardedEvents, onFirstAssignment: () => void): Promise<void> {
    let failures = 0;
    let unknownTopicSinceMs: number | undefined;
    while (!this.stopping.signal.aborted) {
      const { error, joined } = await this.live(events, onFirstAssignment);
      if (this.isStopped()) return;
      if (joined) [failures, unknownTopicSinceMs] = [0, undefined];
      const failure = classifyKafkaError(error, `the consumer of group ${this.options.group} failed`);
      if (isUnknownTopic(error)) unknownTopicSinceMs ??= performance.now();
      const patient = isUnknownTopic(error) && performance.now() - (unknownTopicSinceMs ?? 0) < UNKNOWN_TOPIC_GRACE_MS;
      if (failure.disposition === 'fatal' && !patient) throw failure;
      failures += 1;
      await this.pauseBeforeRestart(failure, failures);
    }
  }

  private async live(events: GuardedEvents, onJoined: () => void): Promise<{ error: unknown; joined: boolean }> {
    this.state = 'joining';
    let joined = false;
    const session = new KafkaJsSession({
      ...this.dependencies,
      consumer: this.options,
      events,
      topicWatch: this.topicWatch,
      remade: this.remade,
      begun: this.begun,
      onJoined: () => {
        joined = true;
        this.joined = true;
        this.state = 'consuming';
        onJoined();
      },
      onForeignOffsets: (count) => {
        this.foreignOffsets = count;
      },
    });
    this.session = session;
    void session.open();
    const error = await session.ended;
    return { error, joined };
  }

  private async pauseBeforeRestart(failure: ClassifiedError, failures: number): Promise<void> {
    this.state = 'joining';
    this.restarts += 1;
    const delayMs = reconnectDelayMs(failures, Math.random(), 200);
    const fields = { 'kafka.group': this.options.group, 'error.code': failure.code, 'millrace.retry_ms': delayMs };
    this.dependencies.logger.warn(fields, 'the consumer starts again', failure);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, delayMs);
      const { signal } = this.stopping;
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
      signal.addEventListener('abort', done);
    });
  }
}
