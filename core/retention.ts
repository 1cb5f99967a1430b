const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How long an inbox remembers a key: longer than any record can come again that a processor reads, from its topic or as a dead letter. */
export const INBOX_RETENTION_DAYS = 31;

const SEGMENT_MS_MAX = 12 * HOUR_MS;

/**
 * Kafka removes whole segments, by their newest record: a record lives for its topic's retention and for as long as its segment
 * was written to. Kafka's default for that is a week. The value of the topic's `segment.ms`.
 */
export function segmentMs(retentionMs: number): number {
  return retentionMs < 0 ? SEGMENT_MS_MAX : Math.min(SEGMENT_MS_MAX, retentionMs);
}

/** Why an event's records may not be kept for so long; undefined when they may. `-1` keeps them for ever. */
export function retentionFault(retentionMs: number, isReadByProcessor: boolean): string | undefined {
  const isPossible = retentionMs === -1 || (Number.isSafeInteger(retentionMs) && retentionMs > 0);
  if (!isPossible) return `retentionMs is ${retentionMs}; say whole milliseconds, more than none, or -1 for ever`;
  if (!isReadByProcessor) return undefined;
  const inboxMs = INBOX_RETENTION_DAYS * DAY_MS;
  if (retentionMs !== -1 && retentionMs + segmentMs(retentionMs) < inboxMs) return undefined;
  const most = (inboxMs - SEGMENT_MS_MAX) / HOUR_MS;
  return (
    `a processor reads it, and its topic would keep records for longer than the inbox remembers (${INBOX_RETENTION_DAYS} days): one that ` +
    `is read again could take effect twice. Say a retentionMs of less than ${most} hours`
  );
}
