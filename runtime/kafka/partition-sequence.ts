import type { RecordBatch } from '../../core/record-batch.ts';
import type { BatchStamp } from './record-batch-head.ts';

/** What the brokers gave this producer: an id that nobody else has. */
export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

interface OpenBatch {
  readonly batch: RecordBatch;
  /** Undefined after the numbering began anew: it is stamped again before it is sent again. */
  readonly stamp: BatchStamp | undefined;
  /** An attempt with this stamp may have reached the log. */
  readonly mayBeAppended: boolean;
}

/** Sequences go from 0 to 2^31 - 1 and then from 0 again, as `DefaultRecordBatch.incrementSequence` does it. */
const SEQUENCES = 2 ** 31;
const LAST_EPOCH = 32_767;

/**
 * The numbers by which the leader of one partition knows our batches. Pure; one batch at a time.
 *
 * Nothing is lost or put in another order as long as two rules hold, and both are kept here:
 *
 * 1. A number is given to another batch only when it is certain that no attempt with it has been appended. Otherwise the
 *    broker could take the new batch for a repetition of the old one, acknowledge it and drop it: a silent loss.
 * 2. When the numbering has to begin anew (the broker does not accept the next number, or a batch of unknown fate was given
 *    up by the caller) it does so with the next *epoch* of the same producer id and not with another id. From the first
 *    batch of the new epoch on the leader refuses the older epoch, so a request of it that still travels on a dead connection cannot
 *    be appended behind newer records. Before that batch it can, and then it stands in its old place in the order.
 *
 * What is doubled at worst: a batch of unknown fate that *was* appended, when the broker has forgotten the numbers (log
 * truncated or deleted, producer id expired: `producer.id.expiration.ms` by the records' timestamps) or the caller sends its records in another batch.
 * Another producer id is taken only when the epochs are used up or when the broker says that ours belongs to somebody newer.
 */
export class PartitionSequence {
  private identity: ProducerIdentity | undefined;
  private next = 0;
  private open: OpenBatch | undefined;

  get producerId(): bigint | undefined {
    return this.identity?.producerId;
  }

  /** The same batch gets the same stamp until its fate is known. @param fresh for a partition that has no identity (any more). */
  stamp(batch: RecordBatch, fresh: ProducerIdentity): BatchStamp {
    const { open } = this;
    if (open?.batch === batch && open.stamp !== undefined) return open.stamp;
    if (open !== undefined && open.batch !== batch && open.mayBeAppended) this.leaveEpoch();
    this.identity ??= fresh;
    const stamp = { ...this.identity, baseSequence: this.next };
    this.open = { batch, stamp, mayBeAppended: false };
    return stamp;
  }

  appended(batch: RecordBatch): void {
    this.next = (this.next + batch.recordCount) % SEQUENCES;
    this.open = undefined;
  }

  /** The attempt was certainly not appended; earlier ones may have been. */
  notAppended(): void {
    if (this.open?.mayBeAppended === false) this.open = undefined;
  }

  fateUnknown(): void {
    if (this.open !== undefined) this.open = { ...this.open, mayBeAppended: true };
  }

  /** The broker does not accept this number (any more, or yet). */
  outOfSequence(): void {
    this.leaveEpoch();
    this.unstamp();
  }

  /** The broker says that the producer id belongs to somebody newer. */
  identityTaken(): void {
    this.identity = undefined;
    this.next = 0;
    this.unstamp();
  }

  private leaveEpoch(): void {
    const { identity } = this;
    this.next = 0;
    if (identity === undefined) return;
    this.identity = identity.producerEpoch === LAST_EPOCH ? undefined : { ...identity, producerEpoch: identity.producerEpoch + 1 };
  }

  private unstamp(): void {
    if (this.open !== undefined) this.open = { batch: this.open.batch, stamp: undefined, mayBeAppended: false };
  }
}
