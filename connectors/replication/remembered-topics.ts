import type { LogReader, TopicFacts } from '../../core/log-reader.ts';
import type { Offset } from '../../core/offset.ts';
import { maxOffset, offset } from '../../core/offset.ts';
import type { RememberedTopic, TopicMark } from './source-record.ts';

/** Marks of one partition: enough to tell a removed stretch to a sixth of the retention. */
const MARKS_MAX = 6;

/** True when the topic is new to the memory, or holds more than is remembered of it. */
export function hasMoved(remembered: RememberedTopic | undefined, facts: TopicFacts): boolean {
  return remembered === undefined || facts.partitions.some(({ partition, end }) => end > (remembered.ends[partition] ?? 0n));
}

/**
 * The topic as it is now, with a mark for what arrived since `sinceMs`: its records are not older than that, whatever order
 * they have, so that time may not remove them before.
 */
export async function rememberTopic(
  reader: LogReader,
  remembered: RememberedTopic | undefined,
  facts: TopicFacts,
  sinceMs: number | undefined,
): Promise<RememberedTopic> {
  const ends: Offset[] = [];
  for (const { partition, end } of facts.partitions) ends[partition] = maxOffset(end, remembered?.ends[partition] ?? offset(0n));
  const marks = remembered?.marks ?? [];
  const known = {
    topic: facts.topic,
    id: facts.id,
    ends,
    ...(remembered?.compared === undefined ? {} : { compared: remembered.compared }),
  };
  if (sinceMs === undefined) return { ...known, marks };
  const found = await reader.offsetsSince(facts.topic, sinceMs);
  const spacingMs = (facts.retentionMs ?? 86_400_000) / MARKS_MAX;
  const fresh = found.map((at): TopicMark => ({ partition: at.partition, offset: at.offset, notBeforeMs: sinceMs }));
  return { ...known, marks: mergeMarks(marks, fresh, spacingMs) };
}

/** Pure. The youngest mark of a partition gives way to the next one until it is far enough from the one before it. */
export function mergeMarks(marks: readonly TopicMark[], fresh: readonly TopicMark[], spacingMs: number): readonly TopicMark[] {
  const partitions = new Set([...marks, ...fresh].map(({ partition }) => partition));
  return [...partitions]
    .sort((a, b) => a - b)
    .flatMap((partition) => {
      const kept = marks.filter((mark) => mark.partition === partition);
      for (const mark of fresh.filter((each) => each.partition === partition)) {
        const [before, last] = [kept.at(-2), kept.at(-1)];
        if (last !== undefined && last.notBeforeMs - (before?.notBeforeMs ?? -Infinity) < spacingMs) kept.pop();
        kept.push(mark);
      }
      return kept.slice(-MARKS_MAX);
    });
}
