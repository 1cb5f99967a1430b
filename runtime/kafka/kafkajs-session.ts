import type { Consumer as KafkaConsumer, EachBatchPayload } from 'kafkajs';
import type { ConsumerOptions } from '../../core/broker.ts';
import type { Logger } from '../../core/log.ts';
import { offset, type Offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';
import type { GuardedEvents } from './guarded-events.ts';
import { createKafkaJsClient, DEFAULT_METADATA_MAX_AGE_MS, type KafkaJsSettings } from './kafkajs-client.ts';
import { subscriptionAwareAssigner } from './kafkajs-assigner.ts';
import { isNotAMember, kafkaErrorName } from './kafkajs-errors.ts';
import type { KafkaJsConsumerGroup } from './kafkajs-internals.ts';
import type { MembershipHooks } from './kafkajs-patches.ts';
import { commitForGeneration, commitThroughClient, type Position } from './kafkajs-commit.ts';
import { beginAtEnd } from './kafkajs-begin-at-end.ts';
import { consumedRecord } from './kafkajs-records.ts';
import { partitionKey } from './partition-key.ts';
import { settledWithin, within } from './within.ts';

const MAX_WAIT_MS = 250;
const HEARTBEAT_INTERVAL_MS = 1_000;
const REDELIVERY_DELAY_MS = 1_000;
const DISCONNECT_TIMEOUT_MS = 5_000;
const JOIN_PATIENCE_MS = 5_000;

export interface SessionOptions {
  readonly settings: KafkaJsSettings;
  readonly consumer: ConsumerOptions;
  readonly patched: boolean;
  readonly events: GuardedEvents;
  readonly logger: Logger;
  onJoined(): void;
}

/**
 * One life of a kafkajs consumer: from its connection to its crash or its end. It never restarts itself; what ended it is
 * told by `ended`, and the supervisor makes the next session.
 *
 * kafkajs is used as an intake only: `eachBatch` hands records over and returns at once, nothing in it may throw, and
 * offsets are committed by the caller alone.
 */
export class KafkaJsSession implements MembershipHooks {
  /** Resolves with the error that ended the session, or with undefined when it was closed. Never rejects. */
  readonly ended: Promise<unknown>;
  private readonly options: SessionOptions;
  private readonly consumer: KafkaConsumer;
  private readonly assigned = new Map<string, TopicPartition>();
  private readonly paused = new Set<string>();
  private readonly backingOff = new Set<string>();
  private readonly sessionTimeoutMs: number;
  private readonly rebalanceTimeoutMs: number;
  private group: KafkaJsConsumerGroup | undefined;
  private revoking: Promise<void> | undefined;
  private closing: Promise<void> | undefined;
  private opening: Promise<void> = Promise.resolve();
  private joining = false;
  private over = false;
  private aliveAtMs = Date.now();
  private watchdog: NodeJS.Timeout | undefined;
  private tellEnded: (error: unknown) => void = () => undefined;

  constructor(options: SessionOptions) {
    this.options = options;
    this.sessionTimeoutMs = options.consumer.sessionTimeoutMs ?? 30_000;
    this.rebalanceTimeoutMs = options.consumer.rebalanceTimeoutMs ?? 60_000;
    this.ended = new Promise((resolve) => (this.tellEnded = resolve));
    this.consumer = createKafkaJsClient(options.settings).consumer({
      groupId: options.consumer.group,
      partitionAssigners: [subscriptionAwareAssigner(this, options.logger)],
      sessionTimeout: this.sessionTimeoutMs,
      rebalanceTimeout: this.rebalanceTimeoutMs,
      heartbeatInterval: Math.min(HEARTBEAT_INTERVAL_MS, Math.floor(this.sessionTimeoutMs / 6)),
      maxWaitTimeInMs: Math.min(MAX_WAIT_MS, Math.floor(this.sessionTimeoutMs / 6)),
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
    for (const partition of this.ours(partitions)) {
      this.paused.add(partitionKey(partition));
      this.consumer.pause([asTopicPartitions(partition)]);
    }
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of this.ours(partitions)) {
      this.paused.delete(partitionKey(partition));
      this.letFetch(partition);
    }
  }

  seek(partition: TopicPartition, to: Offset): void {
    for (const { topic, partition: number } of this.ours([partition]))
      this.consumer.seek({ topic, partition: number, offset: to.toString() });
  }

  /** @throws what kafkajs throws, when the commit may be tried again. */
  async commit(positions: readonly Position[]): Promise<boolean> {
    const ours = this.ours(positions);
    if (ours.length === 0) return positions.length === 0;
    try {
      // Which partitions are ours and which generation they are ours in is read in one turn of the event loop.
      await (this.group === undefined ? commitThroughClient(this.consumer, ours) : commitForGeneration(this.group.offsetManager, ours));
    } catch (thrown) {
      if (isNotAMember(thrown)) return false;
      throw thrown;
    }
    return ours.length === positions.length;
  }

  /** Drains, leaves the group, disconnects. */
  close(): Promise<void> {
    this.closing ??= this.closeNow();
    return this.closing;
  }

  async beforeRejoin(group: KafkaJsConsumerGroup): Promise<void> {
    this.alive();
    // Without a member id the coordinator has dropped us: the partitions may be somebody else's already.
    if (group.memberId === null) this.lose();
    else await this.revoke();
    this.alive();
  }

  async afterJoin(group: KafkaJsConsumerGroup): Promise<void> {
    this.group = group;
    const partitions = group.assigned().flatMap(({ topic, partitions: numbers }) => numbers.map((partition) => ({ topic, partition })));
    if (this.options.consumer.from === 'latest') await beginAtEnd(group, partitions);
    this.assign(partitions);
  }

  private takeIn(payload: EachBatchPayload): void {
    const { batch } = payload;
    const partition = { topic: batch.topic, partition: batch.partition };
    // A batch that was fetched before a seek, a pause or the end of the assignment is fetched again when it is wanted.
    if (!this.wants(partition) || payload.isStale()) return;
    const records = batch.messages.map((message) => consumedRecord(partition, message));
    if (this.options.events.onRecords(partition, records, offset(BigInt(batch.highWatermark)))) payload.resolveOffset(batch.lastOffset());
    else this.deliverAgain(partition);
  }

  private wants(partition: TopicPartition): boolean {
    const key = partitionKey(partition);
    return this.revoking === undefined && !this.isLeaving() && this.assigned.has(key) && !this.paused.has(key) && !this.backingOff.has(key);
  }

  private isLeaving(): boolean {
    return this.closing !== undefined || this.over;
  }

  /** The offset stays where it was; the pause keeps kafkajs from fetching the same records in a tight loop. */
  private deliverAgain(partition: TopicPartition): void {
    this.backingOff.add(partitionKey(partition));
    this.consumer.pause([asTopicPartitions(partition)]);
    setTimeout(() => {
      this.backingOff.delete(partitionKey(partition));
      for (const ours of this.ours([partition])) this.letFetch(ours);
    }, REDELIVERY_DELAY_MS).unref();
  }

  private letFetch(partition: TopicPartition): void {
    const key = partitionKey(partition);
    if (!this.paused.has(key) && !this.backingOff.has(key)) this.consumer.resume([asTopicPartitions(partition)]);
  }

  private ours<P extends TopicPartition>(partitions: readonly P[]): P[] {
    return this.over ? [] : partitions.filter((partition) => this.assigned.has(partitionKey(partition)));
  }

  private assign(partitions: readonly TopicPartition[]): void {
    // Joined twice without a revocation in between: whatever we held is not known to be ours any more.
    this.lose();
    if (this.isLeaving()) return;
    for (const partition of partitions) this.assigned.set(partitionKey(partition), partition);
    // kafkajs keeps pauses across assignments: a partition that comes back is not paused.
    for (const partition of partitions) this.letFetch(partition);
    this.options.events.onAssigned(partitions);
    this.options.onJoined();
  }

  private revoke(): Promise<void> {
    this.revoking ??= this.drain().finally(() => (this.revoking = undefined));
    return this.revoking;
  }

  private async drain(): Promise<void> {
    const partitions = [...this.assigned.values()];
    if (partitions.length === 0) return;
    const heartbeats = setInterval(() => void this.heartbeat(), HEARTBEAT_INTERVAL_MS);
    try {
      await this.options.events.onRevoking(partitions, Math.max(this.rebalanceTimeoutMs * 0.8, this.rebalanceTimeoutMs - 5_000));
    } finally {
      clearInterval(heartbeats);
      for (const { topic, partition } of partitions) this.group?.seekOffset.pop(topic, partition);
      this.forget();
    }
  }

  /** The fetch loop, which carries kafkajs's heartbeats, stands still while a member drains: without these its session would end. */
  private async heartbeat(): Promise<void> {
    const { coordinator, groupId, memberId, generationId } = this.group ?? {};
    if (!coordinator || groupId === undefined || !memberId || generationId === null || generationId === undefined) return;
    try {
      await coordinator.heartbeat({ groupId, memberId, groupGenerationId: generationId });
    } catch (thrown) {
      // "Rebalance in progress" is the expected answer, and it keeps the session alive like any other.
      this.options.logger.debug({ 'kafka.error': kafkaErrorName(thrown) }, 'heartbeat while draining');
    }
    this.alive();
  }

  private lose(): void {
    const lost = [...this.assigned.values()];
    this.forget();
    if (lost.length > 0) this.options.events.onLost(lost);
  }

  private forget(): void {
    this.assigned.clear();
    this.paused.clear();
    this.backingOff.clear();
  }

  private listen(): void {
    const { consumer, options } = this;
    const { CRASH, GROUP_JOIN, HEARTBEAT, FETCH_START } = consumer.events;
    consumer.on(CRASH, ({ payload }) => {
      this.end(payload.error);
    });
    consumer.on(HEARTBEAT, () => {
      this.alive();
    });
    consumer.on(FETCH_START, () => {
      this.alive();
    });
    if (options.patched) return;
    // Without the patch nothing waits for us: the partitions are gone when we hear of it.
    consumer.on(GROUP_JOIN, ({ payload }) => {
      this.assign(
        Object.entries(payload.memberAssignment).flatMap(([topic, numbers]) => numbers.map((partition) => ({ topic, partition }))),
      );
    });
  }

  private alive(): void {
    this.aliveAtMs = Date.now();
  }

  /** A kafkajs consumer can stand still without crashing; nothing it does regularly happens then. */
  private watch(): void {
    const patienceMs = this.sessionTimeoutMs + this.rebalanceTimeoutMs + 15_000;
    this.watchdog = setInterval(() => {
      if (Date.now() - this.aliveAtMs < patienceMs) return;
      void this.disconnect();
      this.end(new Error(`no fetch and no heartbeat for ${patienceMs} ms`));
    }, 5_000).unref();
  }

  private end(error: unknown): void {
    if (this.over) return;
    this.over = true;
    clearInterval(this.watchdog);
    this.lose();
    this.tellEnded(error);
  }

  private async closeNow(): Promise<void> {
    if (!this.over) {
      this.pauseAll();
      await this.revoke();
      // A member that disappears while it joins holds up the whole group until its session times out.
      if (this.joining) await settledWithin(JOIN_PATIENCE_MS, this.opening);
      await this.disconnect();
    }
    this.end(undefined);
  }

  private pauseAll(): void {
    for (const partition of this.assigned.values()) this.consumer.pause([asTopicPartitions(partition)]);
  }

  private async disconnect(): Promise<void> {
    try {
      await within(DISCONNECT_TIMEOUT_MS, this.consumer.disconnect(), 'the consumer did not disconnect in time');
    } catch (thrown) {
      this.options.logger.warn({}, 'the consumer was abandoned while it disconnected', thrown);
    }
  }
}

function asTopicPartitions({ topic, partition }: TopicPartition): { topic: string; partitions: number[] } {
  return { topic, partitions: [partition] };
}
