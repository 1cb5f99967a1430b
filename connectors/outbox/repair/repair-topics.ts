import type { Clock } from '../../../core/clock.ts';
import { ClassifiedError } from '../../../core/errors.ts';
import type { LogReader, TopicFacts } from '../../../core/log-reader.ts';
import { rememberTopic } from '../../replication/remembered-topics.ts';
import { findingError, topicsFindings } from '../../replication/source-findings.ts';
import type { RememberedTopic } from '../../replication/source-record.ts';

const LOOK_MS = 200;
const LOOKS_MAX = 100;

/**
 * All of these topics, which were made a moment ago at the latest: not every broker knows them at once.
 * @throws ClassifiedError KAFKA_UNAVAILABLE when one does not show; or the signal's reason.
 */
export async function untilDescribed(
  reader: LogReader,
  topics: readonly string[],
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly TopicFacts[]> {
  for (let look = 1; ; look += 1) {
    const found = (await reader.describe(topics)).topics;
    const missing = topics.find((topic) => !found.some((each) => each.topic === topic));
    if (missing === undefined) return found;
    if (look === LOOKS_MAX) throw new ClassifiedError('KAFKA_UNAVAILABLE', `the topic ${missing} was made, and no broker shows it`);
    await clock.sleep(LOOK_MS, signal);
  }
}

/**
 * The topics that were compared, as they are now.
 * @throws ClassifiedError TOPIC_MISSING, TOPIC_RECREATED, TOPIC_TRUNCATED when they are other ones than those.
 */
export async function topicsToRemember(reader: LogReader, compared: readonly TopicFacts[], nowMs: number): Promise<RememberedTopic[]> {
  const now = await reader.describe(compared.map(({ topic }) => topic));
  const before = await Promise.all(compared.map((topic) => rememberTopic(reader, undefined, topic, undefined)));
  const [gravest] = topicsFindings(before, now, nowMs);
  if (gravest !== undefined) throw findingError(gravest);
  const topics = await Promise.all(now.topics.map((topic) => rememberTopic(reader, undefined, topic, undefined)));
  return topics.map((topic) => ({ ...topic, compared: topic.ends }));
}
