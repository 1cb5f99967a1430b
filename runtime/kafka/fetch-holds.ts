import type { TopicPartition } from '../../core/record.ts';
import { partitionKey } from './partition-key.ts';

/**
 * Why a partition is not fetched: because the caller paused it, or because its records could not be handed over and are
 * tried again a little later. It is fetched when no reason is left.
 */
export class FetchHolds {
  private readonly paused = new Set<string>();
  private readonly backingOff = new Set<string>();

  pause(partition: TopicPartition): void {
    this.paused.add(partitionKey(partition));
  }

  resume(partition: TopicPartition): void {
    this.paused.delete(partitionKey(partition));
  }

  beginBackoff(partition: TopicPartition): void {
    this.backingOff.add(partitionKey(partition));
  }

  endBackoff(partition: TopicPartition): void {
    this.backingOff.delete(partitionKey(partition));
  }

  holds(partition: TopicPartition): boolean {
    const key = partitionKey(partition);
    return this.paused.has(key) || this.backingOff.has(key);
  }

  /** Whether there is one that is not fetched. */
  get some(): boolean {
    return this.paused.size + this.backingOff.size > 0;
  }

  clear(): void {
    this.paused.clear();
    this.backingOff.clear();
  }
}
