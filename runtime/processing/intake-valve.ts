import type { Consumer } from '../../core/broker.ts';
import type { PartitionEpoch } from './partition-epoch.ts';

export interface IntakeLimits {
  /** Records in hand over all partitions of the group. */
  readonly inFlightRecordsMax: number;
  /** Their bytes. */
  readonly inFlightBytesMax: number;
  /** Offsets of one partition between its lowest unfinished record and its newest: what a crash delivers again. */
  readonly spanMax: number;
}

type Partition = Pick<PartitionEpoch, 'topic' | 'partition' | 'records' | 'bytes' | 'span'>;

/**
 * Back-pressure. Each assigned partition has an equal share of the group's records and bytes: above it the partition is
 * paused, below half of it resumed. So memory stays below the limits plus one fetch, and a partition that waits (for the
 * ladder, for its dead-letter topic) cannot use up what the others need.
 */
export class IntakeValve {
  private readonly consumer: Pick<Consumer, 'pause' | 'resume'>;
  private readonly limits: IntakeLimits;
  private readonly paused = new Map<Partition, boolean>();
  private shutNow = false;

  constructor(consumer: Pick<Consumer, 'pause' | 'resume'>, limits: IntakeLimits) {
    this.consumer = consumer;
    this.limits = limits;
  }

  /** What the driver remembers of an earlier stay of the partition is not trusted: it is told either way. */
  add(partition: Partition): void {
    this.paused.set(partition, this.shutNow);
    if (this.shutNow) this.consumer.pause([partition]);
    else this.consumer.resume([partition]);
  }

  remove(partition: Partition): void {
    this.paused.delete(partition);
  }

  /** To be called when what the partition holds has changed. */
  check(partition: Partition): void {
    const isPaused = this.paused.get(partition);
    if (isPaused === undefined) return;
    const shouldPause = this.shutNow || this.exceeds(partition, isPaused ? 0.5 : 1);
    if (shouldPause === isPaused) return;
    this.paused.set(partition, shouldPause);
    if (shouldPause) this.consumer.pause([partition]);
    else this.consumer.resume([partition]);
  }

  /** All partitions, and those that come, until `reopen`. */
  shut(): void {
    this.shutNow = true;
    this.checkAll();
  }

  reopen(): void {
    this.shutNow = false;
    this.checkAll();
  }

  isPaused(partition: Partition): boolean {
    return this.paused.get(partition) === true;
  }

  get pausedPartitions(): number {
    let count = 0;
    for (const isPaused of this.paused.values()) if (isPaused) count += 1;
    return count;
  }

  private checkAll(): void {
    for (const partition of this.paused.keys()) this.check(partition);
  }

  private exceeds(partition: Partition, factor: number): boolean {
    const share = factor / Math.max(1, this.paused.size);
    return (
      partition.records > this.limits.inFlightRecordsMax * share ||
      partition.bytes > this.limits.inFlightBytesMax * share ||
      partition.span > this.limits.spanMax * factor
    );
  }
}
