import type { OffsetReset } from '../../core/broker.ts';
import type { Logger } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';

const WHY: Readonly<Record<OffsetReset['reason'], string>> = {
  'nothing-committed': 'the group has no committed offset',
  'records-gone': 'what the group would read next is no longer in the log',
  'log-shorter': 'the log ends before what the group would read next: it was cut off, or made again',
  'topic-remade': 'the topic was deleted and made again',
};

/** Loud, and once: from here on nothing shows that the group did not go on where it had stopped. */
export function reportReset(
  { topic, partition, reason, from, to, end, lost }: OffsetReset,
  { group, metrics, logger }: { readonly group: string; readonly metrics: Metrics; readonly logger: Logger },
): void {
  metrics.count('millrace_offset_resets_total', { group, topic, reason });
  if (lost > 0n) metrics.count('millrace_records_lost_total', { group, topic }, Number(lost));
  const fields = { 'kafka.topic': topic, 'kafka.partition': partition, reason, from, to, end, lost };
  logger.warn(fields, `${WHY[reason]}: it reads from the earliest record`);
}
