import type { Consumer, ConsumerEvents } from '../../core/broker.ts';
import type { Offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';

/** A consumer that can be made anew under those who hold it: they see its partitions go and come, as at any rebalance. */
export class RenewableConsumer implements Consumer {
  private readonly make: () => Consumer;
  private current: Consumer;
  private events: ConsumerEvents | undefined;
  private renewing: Promise<void> = Promise.resolve();
  /** Ends each commit that waits for its answer. */
  private readonly unanswered = new Set<() => void>();
  private stopped = false;

  constructor(make: () => Consumer) {
    this.make = make;
    this.current = make();
  }

  async start(events: ConsumerEvents): Promise<void> {
    this.events = events;
    await this.current.start(events);
  }

  /**
   * Stops the consumer, which asks for its partitions back, and starts another one: resolves with its first assignment, or when it
   * was stopped meanwhile. Rejects as `start` does. Once after another.
   */
  async renew(): Promise<void> {
    const turn = this.renewing.then(() => this.renewNow());
    this.renewing = turn.catch(() => undefined);
    await turn;
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.current.pause(partitions);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.current.resume(partitions);
  }

  seek(partition: TopicPartition, offset: Offset): void {
    this.current.seek(partition, offset);
  }

  /** One that the consumer has not answered when it is made anew is not taken: the partitions are not its own any more. */
  async commit(positions: Parameters<Consumer['commit']>[0]): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => resolve(false);
      this.unanswered.add(giveUp);
      this.current
        .commit(positions)
        .finally(() => this.unanswered.delete(giveUp))
        .then(resolve, reject);
    });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.current.stop();
    await this.renewing;
  }

  private async renewNow(): Promise<void> {
    if (this.stopped || this.events === undefined) return;
    await this.current.stop();
    for (const giveUp of this.unanswered) giveUp();
    if (this.isStopped()) return;
    this.current = this.make();
    await this.current.start(this.events);
  }

  private isStopped(): boolean {
    return this.stopped;
  }
}
