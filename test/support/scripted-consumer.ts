import type { Consumer, ConsumerEvents } from '../../core/broker.ts';
import type { Offset } from '../../core/offset.ts';
import { offset } from '../../core/offset.ts';
import type { ConsumedRecord, TopicPartition } from '../../core/record.ts';

type Position = TopicPartition & { readonly offset: Offset };

/** A consumer whose broker is the test: it delivers, revokes and refuses when told to, and remembers what it was asked. */
export class ScriptedConsumer implements Consumer {
  readonly commits: Position[] = [];
  readonly paused = new Set<string>();
  stopped = false;
  /** What the next commits meet. */
  onCommit: (positions: readonly Position[]) => Promise<boolean> = async () => true;
  /** When joining the group succeeds or fails. */
  onStart: () => Promise<void> = async () => undefined;
  private events: ConsumerEvents | undefined;

  async start(events: ConsumerEvents): Promise<void> {
    this.events = events;
    await this.onStart();
  }

  get callbacks(): ConsumerEvents {
    if (this.events === undefined) throw new Error('not started');
    return this.events;
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.paused.add(nameOf(partition));
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.paused.delete(nameOf(partition));
  }

  seek(): void {
    throw new Error('nobody seeks');
  }

  async commit(positions: readonly Position[]): Promise<boolean> {
    const ours = await this.onCommit(positions);
    if (ours) this.commits.push(...positions);
    return ours;
  }

  async stop(): Promise<void> {
    this.stopped = true;
  }

  /** Records of one partition, in order; the end of the partition is behind the last one unless said otherwise. */
  deliver(records: readonly ConsumedRecord[], end?: bigint): void {
    const first = records[0];
    const last = records.at(-1);
    if (first === undefined || last === undefined) return;
    const next = offset(last.offset + 1n);
    this.callbacks.onRecords({ topic: first.topic, partition: first.partition }, records, offset(end ?? next), next);
  }

  /** The offset committed last. */
  committed(of: TopicPartition): bigint | undefined {
    return this.commits.filter((position) => nameOf(position) === nameOf(of)).at(-1)?.offset;
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
