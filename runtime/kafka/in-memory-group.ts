import type { GroupMemberFacts } from '../../core/broker.ts';
import type { Offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';
import { partitionKey } from './partition-key.ts';

/** What a group asks of its members. */
export interface GroupMember {
  readonly topics: readonly string[];
  /** Resolves when the member has drained and forgotten its partitions. */
  revoke(): Promise<void>;
  /** The session is gone: the partitions are forgotten at once. */
  lose(): void;
  assign(partitions: readonly TopicPartition[]): void;
  /** Delivers what there is. */
  wake(): void;
}

/**
 * A consumer group with Kafka's eager protocol: whenever its members change, all give their partitions back first, and
 * only when every one has drained are the partitions dealt out again, round-robin in the order of joining.
 */
export class InMemoryGroup {
  readonly committed = new Map<string, Offset>();
  private members: GroupMember[] = [];
  private rebalancing: Promise<void> | undefined;
  private changed = false;
  private readonly partitionsOf: (topic: string) => readonly TopicPartition[];

  constructor(partitionsOf: (topic: string) => readonly TopicPartition[]) {
    this.partitionsOf = partitionsOf;
  }

  facts(): readonly GroupMemberFacts[] {
    return this.members.map(({ topics }) => ({ clientId: 'in-memory', topics }));
  }

  get size(): number {
    return this.members.length;
  }

  async join(member: GroupMember): Promise<void> {
    this.members.push(member);
    await this.rebalance();
  }

  leave(member: GroupMember): void {
    this.members = this.members.filter((other) => other !== member);
    void this.rebalance();
  }

  expire(): void {
    for (const member of this.members) member.lose();
    void this.rebalance();
  }

  wake(): void {
    for (const member of this.members) member.wake();
  }

  /** Resolves when the assignment is stable. Never rejects: members do not throw. */
  rebalance(): Promise<void> {
    this.changed = true;
    this.rebalancing ??= this.settle();
    return this.rebalancing;
  }

  private async settle(): Promise<void> {
    while (this.changed) {
      this.changed = false;
      await Promise.all(this.members.map((member) => member.revoke()));
      const assignments = this.deal();
      for (const [member, partitions] of assignments) member.assign(partitions);
    }
    this.rebalancing = undefined;
  }

  private deal(): Map<GroupMember, TopicPartition[]> {
    const hands = new Map<GroupMember, TopicPartition[]>(this.members.map((member) => [member, []]));
    const topics = [...new Set(this.members.flatMap((member) => member.topics))].sort();
    let turn = 0;
    for (const topic of topics) {
      const readers = this.members.filter((member) => member.topics.includes(topic));
      for (const partition of this.partitionsOf(topic)) {
        const reader = readers[turn % readers.length];
        if (reader !== undefined) hands.get(reader)?.push(partition);
        turn += 1;
      }
    }
    return hands;
  }

  forgetTopic(topic: string): void {
    for (const key of [...this.committed.keys()]) if (key.startsWith(`${topic}/`)) this.committed.delete(key);
  }

  committedOffset(partition: TopicPartition): Offset | undefined {
    return this.committed.get(partitionKey(partition));
  }
}
