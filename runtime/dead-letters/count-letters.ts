import type { LogReader } from '../../core/log-reader.ts';
import type { LetterQueue } from './letter-queues.ts';
import type { HeldPartition, LetterStates } from './letter-states.ts';

export interface QueueCount {
  readonly queue: LetterQueue;
  /** Letters that nobody has handled and that are in no archive. */
  readonly open: number;
  /** In the archive, and not handled either. */
  readonly archived: number;
}

export interface LetterCounts {
  readonly queues: readonly QueueCount[];
  /** What the counts were made of. */
  readonly partitions: readonly HeldPartition[];
}

/** Counts by positions and states, without reading a letter. A topic that is not there (yet) has none. */
export async function countLetters(
  reader: LogReader,
  states: Pick<LetterStates, 'counts'>,
  queues: readonly LetterQueue[],
): Promise<LetterCounts> {
  const { topics } = await reader.describe(queues.map(({ topic }) => topic));
  const partitions = topics.flatMap(({ id, partitions: of }) =>
    of.map(({ partition, earliest }) => ({ topicId: id, partition, earliest })),
  );
  const settled = await states.counts(partitions);
  const counts = queues.map((queue): QueueCount => {
    const facts = topics.find(({ topic }) => topic === queue.topic);
    const held = (facts?.partitions ?? []).reduce((sum, { earliest, end }) => sum + Number(end - earliest), 0);
    const ofTopic = settled.filter(({ topicId }) => topicId === facts?.id);
    const handled = ofTopic.reduce((sum, { letters }) => sum + letters, 0);
    const archived = ofTopic.find(({ state }) => state === 'archived')?.letters ?? 0;
    return { queue, open: Math.max(0, held - handled), archived };
  });
  return { queues: counts, partitions };
}
