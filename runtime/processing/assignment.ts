import type { Clock } from '../../core/clock.ts';
import type { TopicPartition } from '../../core/record.ts';
import type { IntakeValve } from './intake-valve.ts';
import type { OffsetCommitter } from './offset-committer.ts';
import type { Parking } from './parking.ts';
import { PartitionEpoch } from './partition-epoch.ts';
import { settledWithin } from './pause.ts';
import type { RecordInHand } from './record-in-hand.ts';
import type { WaysOut } from './ways-out.ts';

interface AssignmentOptions {
  readonly clock: Clock;
  readonly waysOut: Pick<WaysOut, 'withdraw' | 'giveBack'>;
  readonly valve: IntakeValve;
  readonly committer: OffsetCommitter;
  readonly parking: Pick<Parking, 'admit' | 'dismiss'>;
}

const NEVER = new AbortController().signal;

/**
 * The partitions that this member holds, each with its epoch. Giving one away has an order: end intake and give back what
 * has not begun, let what runs come to its end, commit, and only then fence, so that finished work is not done again
 * elsewhere. What still runs after the fence is cut off and changes nothing.
 */
export class Assignment {
  private readonly options: AssignmentOptions;
  private readonly epochs = new Map<string, PartitionEpoch<RecordInHand>>();
  private readonly releases = new Map<PartitionEpoch<RecordInHand>, Promise<void>>();

  constructor(options: AssignmentOptions) {
    this.options = options;
  }

  /** The epoch that takes in records; undefined when the partition is not ours, or not for long. */
  taking(partition: TopicPartition): PartitionEpoch<RecordInHand> | undefined {
    const epoch = this.epochs.get(nameOf(partition));
    return epoch === undefined || epoch.leaving ? undefined : epoch;
  }

  all(): PartitionEpoch<RecordInHand>[] {
    return [...this.epochs.values()];
  }

  /** Those that are not being given away. */
  staying(): PartitionEpoch<RecordInHand>[] {
    return this.all().filter((epoch) => !epoch.leaving);
  }

  add(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      if (this.taking(partition) === undefined) this.begin(partition);
    }
  }

  /** Forgets the partition's stay at once and begins another one: its records come again from an earlier offset. */
  renew(epoch: PartitionEpoch<RecordInHand>): PartitionEpoch<RecordInHand> {
    this.forget([epoch]);
    return this.begin(epoch);
  }

  /**
   * Drains, commits, fences. Resolves when the partitions may be given away: after `drainMs` at the latest, or soon after
   * `hard` aborts, whatever still runs.
   */
  async release(partitions: readonly TopicPartition[], drainMs: number, hard: AbortSignal = NEVER): Promise<void> {
    const held = partitions.flatMap((partition) => this.epochs.get(nameOf(partition)) ?? []);
    const staying = held.filter((epoch) => !epoch.leaving);
    if (staying.length > 0) {
      const release = this.drainAndFence(staying, drainMs, hard);
      for (const epoch of staying) this.releases.set(epoch, release);
    }
    await Promise.all(held.flatMap((epoch) => this.releases.get(epoch) ?? []));
  }

  /** The partitions are gone already: nothing of them can be committed any more. */
  lose(partitions: readonly TopicPartition[]): void {
    this.forget(partitions.flatMap((partition) => this.epochs.get(nameOf(partition)) ?? []));
  }

  private begin(partition: TopicPartition): PartitionEpoch<RecordInHand> {
    const epoch = new PartitionEpoch<RecordInHand>(partition);
    this.epochs.set(nameOf(partition), epoch);
    this.options.valve.add(epoch);
    this.options.parking.admit(epoch);
    return epoch;
  }

  private async drainAndFence(epochs: readonly PartitionEpoch<RecordInHand>[], drainMs: number, hard: AbortSignal): Promise<void> {
    this.endIntake(epochs);
    await settledWithin(this.options.clock, drainMs, hard, Promise.all(epochs.map((epoch) => epoch.idle())));
    // A commit that hangs must not hold up the group: what is not committed is delivered again, and absorbed.
    await settledWithin(this.options.clock, drainMs, hard, this.options.committer.commit(epochs));
    this.fence(epochs);
  }

  private forget(epochs: readonly PartitionEpoch<RecordInHand>[]): void {
    this.endIntake(epochs);
    this.fence(epochs);
  }

  private endIntake(epochs: readonly PartitionEpoch<RecordInHand>[]): void {
    for (const epoch of epochs) epoch.leaving = true;
    for (const item of this.options.waysOut.withdraw()) this.options.waysOut.giveBack(item);
  }

  private fence(epochs: readonly PartitionEpoch<RecordInHand>[]): void {
    for (const epoch of epochs) {
      epoch.closed = true;
      this.releases.delete(epoch);
      this.options.valve.remove(epoch);
      if (this.epochs.get(nameOf(epoch)) === epoch) this.epochs.delete(nameOf(epoch));
      for (const item of [...epoch.inHand]) this.options.waysOut.giveBack(item);
      this.options.parking.dismiss(epoch);
    }
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
