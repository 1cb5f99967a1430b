import { offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';
import { commitForGeneration, type Position } from './kafkajs-commit.ts';
import type { KafkaJsConsumerGroup } from './kafkajs-internals.ts';

/** What the coordinator answers for a partition without a committed offset. */
const NOTHING_COMMITTED = '-1';

/**
 * Gives partitions that the group never committed their first position: the end of the log, committed at once. So a group
 * that begins at the latest record skips nothing from then on, even when its member dies before its first own commit.
 */
export async function beginAtEnd(group: KafkaJsConsumerGroup, partitions: readonly TopicPartition[]): Promise<void> {
  if (partitions.length === 0) return;
  const manager = group.offsetManager;
  const coordinator = await manager.getCoordinator();
  const { responses } = await coordinator.offsetFetch({ groupId: group.groupId, topics: byTopic(partitions) });
  const fresh = responses.flatMap(({ topic, partitions: answers }) =>
    answers.filter((answer) => answer.offset === NOTHING_COMMITTED).map(({ partition }) => ({ topic, partition })),
  );
  if (fresh.length === 0) return;
  const ends = await group.cluster.fetchTopicsOffset(byTopic(fresh).map((topic) => ({ ...topic, fromBeginning: false })));
  const positions: Position[] = ends.flatMap(({ topic, partitions: answers }) =>
    answers.map((answer) => ({ topic, partition: answer.partition, offset: offset(answer.offset) })),
  );
  await commitForGeneration(manager, positions);
}

function byTopic(partitions: readonly TopicPartition[]): { topic: string; partitions: { partition: number }[] }[] {
  return [...new Set(partitions.map(({ topic }) => topic))].map((topic) => ({
    topic,
    partitions: partitions.filter((other) => other.topic === topic).map(({ partition }) => ({ partition })),
  }));
}
