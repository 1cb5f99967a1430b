import type { Batch, Consumer as KafkaConsumer, ConsumerEndBatchProcessEvent, EachBatchPayload } from 'kafkajs';
import type { ConsumerOptions } from '../../core/broker.ts';
import type { Logger } from '../../core/log.ts';
import { offset, type Offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';
import { FetchHolds } from './fetch-holds.ts';
import { FetchPace } from './fetch-pace.ts';
import type { GuardedEvents } from './guarded-events.ts';
import { createKafkaJsClient, DEFAULT_METADATA_MAX_AGE_MS, type KafkaJsSettings } from './kafkajs-client.ts';
import { subscriptionAwareAssigner } from './kafkajs-assigner.ts';
import { isNotAMember, kafkaErrorName } from './kafkajs-errors.ts';
import { KafkaJsMembership } from './kafkajs-membership.ts';
import { commitForGeneration, commitThroughClient, type Position } from './kafkajs-commit.ts';
import { consumedRecord } from './kafkajs-records.ts';
import type { RemadeTopics } from './kafkajs-remade-topics.ts';
import type { TopicWatch } from './kafkajs-topic-watch.ts';
import { settledWithin, within } from './within.ts';

/** A record that comes ends the wait: longer only spares idle groups their requests. A rebalance, and a partition that was held for long, may wait so long. */
const MAX_WAIT_MS = 500;
/** All that a fetch brings is laid out at once, and the handlers' turns wait: many small ones let them run in between. */
const FETCH_BYTES_PER_PARTITION = 262_144;
/** Of one answer, over its partitions: all of it is read and taken in at one go, while nothing else runs. A larger record comes all the same. */
const FETCH_BYTES = 1_048_576;
const HEARTBEAT_INTERVAL_MS = 1_000;
const REDELIVERY_DELAY_MS = 1_000;
const DISCONNECT_TIMEOUT_MS = 5_000;
const JOIN_PATIENCE_MS = 5_000;
const TOPIC_LOOK_MS = 10_000;

export interface SessionOptions {
  readonly settings: KafkaJsSettings;
  readonly consumer: ConsumerOptions;
  readonly patched: boolean;
  readonly events: GuardedEvents;
  readonly logger: Logger;
  /** Outlives the session: what it has noticed is not forgotten with a crash. */
  readonly topicWatch: TopicWatch;
  /** Topics of which the log is another one than an earlier session read: read from its beginning. */
  readonly remade: RemadeTopics;
  /** Partitions of which it was said that the group has no offset for them. */
  readonly begun: Set<string>;
  onJoined(): void;
  onForeignOffsets(count: number): void;
}

/**
 * One life of a kafkajs consumer: from its connection to its crash or its end. It never restarts itself; what ended it is
 * told by `ended`, and the supervisor makes the next session.
 *
 * kafkajs is used as an intake only: `eachBatch` hands records over and returns at once, nothing in it may throw, and
 * offsets are committed by the caller alone.
 */
export class KafkaJsSession {
  /** Resolves with the error that ended the session, or with undefined when it was closed. Never rejects. */
  readonly ended: Promise<unknown>;
  private readonly options: SessionOptions;
  private readonly consumer: KafkaConsumer;
  private readonly membership: KafkaJsMembership;
  private readonly holds = new FetchHolds();
  private readonly pace: FetchPace;
  private readonly sessionTimeoutMs: number;
  private readonly rebalanceTimeoutMs: number;
  private closing: Promise<void> | undefined;
  private opening: Promise<void> = Promise.resolve();
  private joining = false;
  private over = false;
  private aliveAtMs = performance.now();
  private watchdog: NodeJS.Timeout | undefined;
  private topicLook: NodeJS.Timeout | undefined;
  private tellEnded: (error: unknown) => void = () => undefined;

  constructor(options: SessionOptions) {
    this.options = options;
    this.sessionTimeoutMs = options.consumer.sessionTimeoutMs ?? 30_000;
    this.rebalanceTimeoutMs = options.consumer.rebalanceTimeoutMs ?? 60_000;
    this.ended = new Promise((resolve) => (this.tellEnded = resolve));
    this.membership = this.createMembership();
    this.pace = new FetchPace(this.maxWaitMs(), (waitMs) => {
      this.membership.setFetchWaitMs(waitMs);
    });
    this.consumer = createKafkaJsClient(options.settings).consumer({
      groupId: options.consumer.group,
      partitionAssigners: [subscriptionAwareAssigner(this.membership, options.logger)],
      sessionTimeout: this.sessionTimeoutMs,
      rebalanceTimeout: this.rebalanceTimeoutMs,
      heartbeatInterval: Math.min(HEARTBEAT_INTERVAL_MS, Math.floor(this.sessionTimeoutMs / 6)),
      maxWaitTimeInMs: this.maxWaitMs(),
      maxBytesPerPartition: FETCH_BYTES_PER_PARTITION,
      maxBytes: FETCH_BYTES,
      metadataMaxAge: options.settings.metadataMaxAgeMs ?? DEFAULT_METADATA_MAX_AGE_MS,
      allowAutoTopicCreation: false,
      // The restart is the supervisor's: kafkajs restarts some crashes for ever and others never.
      retry: { initialRetryTime: 200, maxRetryTime: 2_000, retries: 5, restartOnFailure: () => Promise.resolve(false) },
    });
  }

  /** Never rejects: what goes wrong ends the session. */
  open(): Promise<void> {
    this.listen();
    this.watch();
    this.opening = this.connectAndRun();
    return this.opening;
  }

  private async connectAndRun(): Promise<void> {
    const { consumer, options } = this;
    try {
      await consumer.connect();
      if (this.isLeaving()) return;
      // With the patch a `latest` group gets its first position in `afterJoin`; then an offset that the log no longer has leads back to the earliest, never forward.
      await consumer.subscribe({
        topics: [...options.consumer.topics],
        fromBeginning: options.patched || options.consumer.from === 'earliest',
      });
      if (this.isLeaving()) return;
      this.joining = true;
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: 4,
        eachBatch: async (payload) => {
          this.takeIn(payload);
        },
      });
    } catch (thrown) {
      await this.disconnect();
      this.end(thrown);
    } finally {
      this.joining = false;
      // Closed in the meantime: what has been connected since then must not stay behind.
      if (this.isLeaving()) await this.disconnect();
    }
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of this.membership.ours(partitions)) {
      this.holds.pause(partition);
      this.applyHold(partition);
    }
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of this.membership.ours(partitions)) {
      this.holds.resume(partition);
      this.applyHold(partition);
    }
  }

  seek(partition: TopicPartition, to: Offset): void {
    for (const { topic, partition: number } of this.membership.ours([partition])) {
      this.tell((consumer) => {
        consumer.seek({ topic, partition: number, offset: to.toString() });
      });
    }
  }

  /** @throws what kafkajs throws, when the commit may be tried again. */
  async commit(positions: readonly Position[]): Promise<boolean> {
    const ours = this.membership.ours(positions);
    if (ours.length === 0) return positions.length === 0;
    try {
      // Which partitions are ours and which generation they are ours in is read in one turn of the event loop.
      const manager = this.membership.offsetManager;
      await (manager === undefined ? commitThroughClient(this.consumer, ours) : commitForGeneration(manager, ours));
    } catch (thrown) {
      if (isNotAMember(thrown)) return false;
      throw thrown;
    }
    // What a session that is over has committed may be of the old log.
    if (!this.over) this.options.remade.committed(ours);
    return ours.length === positions.length;
  }

  /** Drains, leaves the group, disconnects. */
  close(): Promise<void> {
    this.closing ??= this.closeNow();
    return this.closing;
  }

  private createMembership(): KafkaJsMembership {
    const { consumer, events, logger } = this.options;
    return new KafkaJsMembership({
      from: consumer.from,
      begun: this.options.begun,
      rebalanceTimeoutMs: this.rebalanceTimeoutMs,
      events,
      logger,
      isLeaving: () => this.isLeaving(),
      onAlive: () => {
        this.alive();
      },
      onForeignOffsets: (count) => {
        this.options.onForeignOffsets(count);
      },
      onAssigned: (partitions) => {
        // kafkajs keeps pauses across assignments: a partition that comes back is not paused.
        for (const partition of partitions) this.applyHold(partition);
      },
      onJoined: () => {
        this.beginAnew();
        this.options.onJoined();
        void this.lookAtTopics();
      },
      onForgotten: () => {
        this.holds.clear();
      },
    });
  }

  private takeIn(payload: EachBatchPayload): void {
    const partition = { topic: payload.batch.topic, partition: payload.batch.partition };
    // A batch that was fetched before a seek, a pause or the end of the assignment is fetched again when it is wanted.
    if (!this.wants(partition) || payload.isStale()) return;
    if (this.handOver(partition, payload.batch)) payload.resolveOffset(payload.batch.lastOffset());
    else this.deliverAgain(partition);
  }

  private handOver(partition: TopicPartition, batch: Batch): boolean {
    try {
      const records = batch.messages.map((message) => consumedRecord(partition, message));
      return this.options.events.onRecords(partition, records, offset(batch.highWatermark), nextAfter(batch.lastOffset()));
    } catch (thrown) {
      this.options.logger.error(
        { 'kafka.topic': partition.topic, 'kafka.partition': partition.partition },
        'a batch could not be taken in',
        thrown,
      );
      return false;
    }
  }

  /** Of a batch without a single record `eachBatch` never hears; kafkajs has read on behind it by itself. */
  private passOver({ payload }: ConsumerEndBatchProcessEvent): void {
    const { topic, partition, batchSize, lastOffset, highWatermark } = payload;
    if (batchSize > 0 || this.isLeaving() || !this.membership.keeps({ topic, partition })) return;
    this.options.events.onRecords({ topic, partition }, [], offset(highWatermark), nextAfter(lastOffset));
  }

  private wants(partition: TopicPartition): boolean {
    return this.membership.keeps(partition) && !this.isLeaving() && !this.holds.holds(partition);
  }

  private isLeaving(): boolean {
    return this.closing !== undefined || this.over;
  }

  /** The offset stays where it was; the hold keeps kafkajs from fetching the same records in a tight loop. */
  private deliverAgain(partition: TopicPartition): void {
    this.holds.beginBackoff(partition);
    this.applyHold(partition);
    setTimeout(() => {
      this.holds.endBackoff(partition);
      for (const ours of this.membership.ours([partition])) this.applyHold(ours);
    }, REDELIVERY_DELAY_MS).unref();
  }

  private maxWaitMs(): number {
    return Math.min(MAX_WAIT_MS, Math.floor(this.sessionTimeoutMs / 6));
  }

  private applyHold(partition: TopicPartition): void {
    const held = this.holds.holds(partition);
    this.pace.changed(this.holds.some);
    this.tell((consumer) => {
      if (held) consumer.pause([asTopicPartitions(partition)]);
      else consumer.resume([asTopicPartitions(partition)]);
    });
  }

  /** kafkajs throws when it is asked something between a crash and its announcement; the partitions are lost a moment later. */
  private tell(what: (consumer: KafkaConsumer) => void): void {
    try {
      what(this.consumer);
    } catch (thrown) {
      this.options.logger.debug({ 'kafka.error': kafkaErrorName(thrown) }, 'the consumer has just crashed');
    }
  }

  private listen(): void {
    const { consumer, options } = this;
    const { CRASH, GROUP_JOIN, HEARTBEAT, FETCH_START, END_BATCH_PROCESS } = consumer.events;
    consumer.on(CRASH, ({ payload }) => {
      this.end(payload.error);
    });
    consumer.on(HEARTBEAT, () => {
      this.alive();
    });
    consumer.on(FETCH_START, () => {
      this.membership.keepHeartbeats();
      this.alive();
    });
    consumer.on(END_BATCH_PROCESS, (event) => {
      this.passOver(event);
    });
    if (options.patched) return;
    // Without the patch nothing waits for us: the partitions are gone when we hear of it.
    consumer.on(GROUP_JOIN, ({ payload }) => {
      this.membership.assign(
        Object.entries(payload.memberAssignment).flatMap(([topic, numbers]) => numbers.map((partition) => ({ topic, partition }))),
      );
    });
  }

  private alive(): void {
    this.aliveAtMs = performance.now();
  }

  /**
   * A kafkajs consumer can stand still without crashing; nothing it does regularly happens then. Whether every one of its brokers
   * answers is not seen here, where one that does counts for all: a request that is not answered ends by its own timeout, and
   * partitions that do not get on are seen by the stall watch (ADR 0019).
   */
  private watch(): void {
    const patienceMs = this.sessionTimeoutMs + this.rebalanceTimeoutMs + 15_000;
    this.watchdog = setInterval(() => {
      if (performance.now() - this.aliveAtMs < patienceMs) return;
      void this.disconnect();
      this.end(new Error(`no fetch and no heartbeat for ${patienceMs} ms`));
    }, 5_000).unref();
  }

  /** What was committed for a topic that was made again may be a position of the old log, committed by somebody since. */
  private beginAnew(): void {
    for (const partition of this.options.remade.unbegun(this.membership.all())) {
      this.seek(partition, offset(0n));
      this.options.events.onReset({ ...partition, reason: 'topic-remade', from: undefined, to: offset(0n), end: undefined, lost: 0n });
    }
  }

  /** One look after another; what goes wrong with one is the next one's matter. */
  private async lookAtTopics(): Promise<void> {
    clearTimeout(this.topicLook);
    const { cluster } = this.membership;
    if (cluster === undefined || this.isLeaving()) return;
    let remade: readonly string[] = [];
    try {
      remade = await this.options.topicWatch.look(await cluster.findControllerBroker());
      this.options.remade.add(remade);
    } catch (thrown) {
      this.options.logger.debug({ 'kafka.error': kafkaErrorName(thrown) }, 'the topics could not be looked at');
    }
    if (this.isLeaving()) return;
    if (remade.length > 0) {
      void this.disconnect();
      this.end(new Error(`${remade.join(', ')} was deleted and made again`));
      return;
    }
    clearTimeout(this.topicLook);
    this.topicLook = setTimeout(() => void this.lookAtTopics(), TOPIC_LOOK_MS).unref();
  }

  private end(error: unknown): void {
    if (this.over) return;
    this.over = true;
    clearInterval(this.watchdog);
    clearTimeout(this.topicLook);
    this.pace.stop();
    this.membership.lose();
    this.tellEnded(error);
  }

  private async closeNow(): Promise<void> {
    if (!this.over) {
      this.pause(this.membership.all());
      await this.membership.revoke();
      // A member that disappears while it joins holds up the whole group until its session times out.
      if (this.joining) await settledWithin(JOIN_PATIENCE_MS, this.opening);
      await this.disconnect();
    }
    this.end(undefined);
  }

  private async disconnect(): Promise<void> {
    try {
      await within(DISCONNECT_TIMEOUT_MS, this.consumer.disconnect(), 'the consumer did not disconnect in time');
    } catch (thrown) {
      this.options.logger.warn({}, 'the consumer was abandoned while it disconnected', thrown);
    }
  }
}

/** Behind what the batch covers, records or not. */
function nextAfter(lastOffset: string): Offset {
  return offset(BigInt(lastOffset) + 1n);
}

function asTopicPartitions({ topic, partition }: TopicPartition): { topic: string; partitions: number[] } {
  return { topic, partitions: [partition] };
}
