import type { ConsumerOptions } from '../../core/broker.ts';
import type { Logger } from '../../core/log.ts';
import type { TopicPartition } from '../../core/record.ts';
import type { GuardedEvents } from './guarded-events.ts';
import { kafkaErrorName } from './kafkajs-errors.ts';
import { beginAtEnd, beginningsOf, recoverOutOfRange } from './kafkajs-first-positions.ts';
import { findForeignOffsets } from './kafkajs-foreign-offsets.ts';
import { beginHeartbeats } from './kafkajs-heartbeats.ts';
import type { KafkaJsCluster, KafkaJsConsumerGroup, KafkaJsOffsetManager } from './kafkajs-internals.ts';
import type { MembershipHooks } from './kafkajs-patches.ts';
import { partitionKey } from './partition-key.ts';

const HEARTBEAT_INTERVAL_MS = 1_000;

export interface MembershipOptions {
  readonly from: ConsumerOptions['from'];
  readonly rebalanceTimeoutMs: number;
  readonly events: GuardedEvents;
  readonly logger: Logger;
  /** Partitions of which it was said that the group has no offset for them; outlives the session. */
  readonly begun: Set<string>;
  /** True when nothing may be assigned any more. */
  isLeaving(): boolean;
  /** Something was heard of the group. */
  onAlive(): void;
  /** So many of the partitions go on from where no member of the group has committed. */
  onForeignOffsets(count: number): void;
  /** Before the caller is told. */
  onAssigned(partitions: readonly TopicPartition[]): void;
  /** After the caller was told. */
  onJoined(): void;
  /** Nothing is assigned any more. */
  onForgotten(): void;
}

/** Which partitions are ours, and what happens when they come and go. */
export class KafkaJsMembership implements MembershipHooks {
  private readonly options: MembershipOptions;
  private readonly assigned = new Map<string, TopicPartition>();
  private group: KafkaJsConsumerGroup | undefined;
  private revoking: Promise<void> | undefined;

  constructor(options: MembershipOptions) {
    this.options = options;
  }

  /** Of the generation that holds the partitions now; undefined when the client is not patched. */
  get offsetManager(): KafkaJsOffsetManager | undefined {
    return this.group?.offsetManager;
  }

  /** Of the client that holds the partitions; undefined when it is not patched, or has not joined yet. */
  get cluster(): KafkaJsCluster | undefined {
    return this.group?.cluster;
  }

  /** From the next fetch on; without effect when the client is not patched. */
  setFetchWaitMs(ms: number): void {
    if (this.group !== undefined) this.group.maxWaitTime = ms;
  }

  /**
   * kafkajs counts from one heartbeat to the next by the calendar's clock. Where that is set back none would be due for as long: the
   * group would go on without this member, which goes on handling and can commit nothing.
   */
  keepHeartbeats(): void {
    const nowMs = Date.now();
    if (this.group !== undefined && this.group.lastRequest > nowMs) this.group.lastRequest = nowMs;
  }

  all(): TopicPartition[] {
    return [...this.assigned.values()];
  }

  ours<P extends TopicPartition>(partitions: readonly P[]): P[] {
    return partitions.filter((partition) => this.assigned.has(partitionKey(partition)));
  }

  /** Ours, and not being given away. */
  keeps(partition: TopicPartition): boolean {
    return this.revoking === undefined && this.assigned.has(partitionKey(partition));
  }

  async beforeRejoin(group: KafkaJsConsumerGroup): Promise<void> {
    this.options.onAlive();
    // Without a member id the coordinator has dropped us: the partitions may be somebody else's already.
    if (group.memberId === null) this.lose();
    else await this.revoke();
    this.options.onAlive();
  }

  async afterJoin(group: KafkaJsConsumerGroup): Promise<void> {
    this.group = group;
    const partitions = group.assigned().flatMap(({ topic, partitions: numbers }) => numbers.map((partition) => ({ topic, partition })));
    recoverOutOfRange(group, (reset) => {
      this.options.events.onReset(reset);
    });
    if (this.options.from === 'latest') await beginAtEnd(group, partitions);
    else await this.tellBeginnings(group, partitions);
    // Before the first commit of this stay, which would hide it.
    this.options.onForeignOffsets(await findForeignOffsets(group, partitions, this.options.logger));
    this.assign(partitions);
  }

  assign(partitions: readonly TopicPartition[]): void {
    // Joined twice without a revocation in between: whatever we held is not known to be ours any more.
    this.lose();
    if (this.options.isLeaving()) return;
    for (const partition of partitions) this.assigned.set(partitionKey(partition), partition);
    this.options.onAssigned(partitions);
    this.options.events.onAssigned(partitions);
    this.options.onJoined();
  }

  /** Resolves when the caller has drained, or had its time. Shared by all who ask meanwhile. Never rejects. */
  revoke(): Promise<void> {
    this.revoking ??= this.drain().finally(() => (this.revoking = undefined));
    return this.revoking;
  }

  lose(): void {
    const lost = this.all();
    this.forget();
    if (lost.length > 0) this.options.events.onLost(lost);
  }

  /** Saying it is not worth a session that works. */
  private async tellBeginnings(group: KafkaJsConsumerGroup, partitions: readonly TopicPartition[]): Promise<void> {
    const { begun, events, logger } = this.options;
    try {
      const beginnings = new Map((await beginningsOf(group, partitions)).map((reset) => [partitionKey(reset), reset]));
      for (const [key, reset] of beginnings) if (!begun.has(key)) events.onReset(reset);
      // What has a committed offset now is said again when that is deleted.
      for (const key of partitions.map(partitionKey)) if (!beginnings.has(key)) begun.delete(key);
      for (const key of beginnings.keys()) begun.add(key);
    } catch (thrown) {
      logger.debug({ 'kafka.error': kafkaErrorName(thrown) }, 'where the group begins could not be looked at');
    }
  }

  private async drain(): Promise<void> {
    const { events, logger, rebalanceTimeoutMs } = this.options;
    const partitions = this.all();
    if (partitions.length === 0) return;
    const endHeartbeats = beginHeartbeats(this.group, HEARTBEAT_INTERVAL_MS, logger, () => {
      this.options.onAlive();
    });
    await events.onRevoking(partitions, Math.max(rebalanceTimeoutMs * 0.8, rebalanceTimeoutMs - 5_000));
    endHeartbeats();
    // kafkajs would apply a seek that has not happened yet to the next assignment, and read on from there.
    for (const { topic, partition } of partitions) this.group?.seekOffset.pop(topic, partition);
    this.forget();
  }

  private forget(): void {
    this.assigned.clear();
    this.options.onForgotten();
  }
}
