import type { Consumer } from '../../core/broker.ts';
import type { Logger } from '../../core/log.ts';
import { classified } from '../../core/errors.ts';
import type { Failpoint } from './failpoint.ts';
import type { PartitionEpoch } from './partition-epoch.ts';

type Partition = Pick<PartitionEpoch, 'topic' | 'partition' | 'closed' | 'uncommitted' | 'committed'>;

interface OffsetCommitterOptions {
  readonly consumer: Pick<Consumer, 'commit'>;
  readonly logger: Logger;
  readonly failpoint: Failpoint;
}

/** Commits the offset after each partition's finished prefix, and nothing above it. One commit at a time. */
export class OffsetCommitter {
  private readonly options: OffsetCommitterOptions;
  private last: Promise<unknown> = Promise.resolve();
  private failures = 0;

  constructor(options: OffsetCommitterOptions) {
    this.options = options;
  }

  /**
   * Resolves with true when nothing is left to commit for these partitions. False is not an error: the broker could not
   * be reached or the partitions are not ours any more, and whoever reads them next gets the records again. Never rejects.
   */
  async commit(partitions: readonly Partition[]): Promise<boolean> {
    const turn = this.last.then(() => this.write(partitions));
    this.last = turn;
    return turn;
  }

  private async write(partitions: readonly Partition[]): Promise<boolean> {
    const due = partitions.flatMap((partition) => {
      const offset = partition.closed ? undefined : partition.uncommitted;
      return offset === undefined ? [] : [{ partition, offset }];
    });
    if (due.length === 0) return true;
    try {
      await this.options.failpoint('before-commit');
      const ours = await this.options.consumer.commit(
        due.map(({ partition, offset }) => ({ topic: partition.topic, partition: partition.partition, offset })),
      );
      await this.options.failpoint('after-commit');
      if (ours) for (const { partition, offset } of due) partition.committed(offset);
      this.failures = 0;
      return ours;
    } catch (error) {
      this.failures += 1;
      const failure = classified(error, 'KAFKA_UNAVAILABLE', 'offsets could not be committed');
      // Tried again with the next interval: one line for the first of a row.
      if (this.failures === 1) this.options.logger.warn({ 'error.code': failure.code }, failure.message, failure);
      return false;
    }
  }
}
