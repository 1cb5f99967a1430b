import { LOGICAL_MESSAGE_HEADER } from '../../core/envelope.ts';
import type { LogReader, TopicFacts } from '../../core/log-reader.ts';
import { maxOffset, offset } from '../../core/offset.ts';
import { headerText } from '../../core/record.ts';
import { slicesUpTo } from '../../core/whole-log.ts';
import { isUuid } from '../../core/uuid.ts';
import type { RememberedTopic } from './source-record.ts';

/** A row that was published, as its record tells it. */
export interface TailRow {
  readonly id: string;
  /** ISO 8601 with microseconds, UTC: the row's `created_at`. */
  readonly occurredAt: string;
}

/** Of each partition. A lost row is the last of its partition, but for what was published twice since. */
const TAIL_RECORDS = 200n;

/**
 * The rows at the end of the topic, whatever the memory of the capture knows of them; none that a repair has compared already, because what the
 * database lacked then it still lacks. @throws ClassifiedError KAFKA_UNAVAILABLE.
 */
export async function readTail(reader: LogReader, topic: TopicFacts, remembered: RememberedTopic | undefined): Promise<TailRow[]> {
  const rows: TailRow[] = [];
  for (const { partition, earliest, end } of topic.partitions) {
    const compared = remembered?.compared?.[partition] ?? offset(0n);
    const tail = end > TAIL_RECORDS ? offset(end - TAIL_RECORDS) : offset(0n);
    const from = maxOffset(maxOffset(earliest, compared), tail);
    for await (const { records } of slicesUpTo(reader, { topic: topic.topic, partition }, from, end)) {
      for (const { headers } of records) {
        const [id, occurredAt] = [headerText(headers, 'id'), headerText(headers, 'occurred_at')];
        if (headerText(headers, LOGICAL_MESSAGE_HEADER) !== undefined) continue;
        if (id === undefined || occurredAt === undefined || !isUuid(id) || Number.isNaN(Date.parse(occurredAt))) continue;
        rows.push({ id, occurredAt });
      }
    }
  }
  return rows;
}
