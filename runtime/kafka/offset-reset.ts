import type { OffsetReset } from '../../core/broker.ts';
import type { PartitionOffsets } from '../../core/log-reader.ts';
import type { Offset } from '../../core/offset.ts';

/**
 * Pure. What it means that a group wants to read on at an offset, and the log is as it is; undefined when it simply reads on, or
 * when there has never been a record to miss or to repeat.
 *
 * @param from undefined: nothing is committed
 */
export function offsetReset(from: Offset | undefined, { topic, partition, earliest, end }: PartitionOffsets): OffsetReset | undefined {
  const reset = { topic, partition, from, to: earliest, end, lost: 0n };
  if (from === undefined) return end > 0n ? { ...reset, reason: 'nothing-committed' } : undefined;
  if (from < earliest) return { ...reset, reason: 'records-gone', lost: earliest - from };
  return from > end ? { ...reset, reason: 'log-shorter' } : undefined;
}
