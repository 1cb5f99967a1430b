import type { OffsetReset } from '../../core/broker.ts';
import type { PartitionOffsets } from '../../core/log-reader.ts';
import { offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';
import { commitForGeneration, type Position } from './kafkajs-commit.ts';
import type { KafkaJsConsumerGroup } from './kafkajs-internals.ts';
import { offsetReset } from './offset-reset.ts';
import { partitionKey } from './partition-key.ts';

/** Before an offset is asked for again that a broker has just refused, although the log seems to hold it. */
const SECOND_LOOK_MS = 200;

/**
 * Gives partitions that the group never committed their first position: the end of the log, committed at once. So a group
 * that begins at the latest record skips nothing from then on, even when its member dies before its first own commit.
 */
export async function beginAtEnd(group: KafkaJsConsumerGroup, partitions: readonly TopicPartition[]): Promise<void> {
  const fresh = await neverCommitted(group, partitions);
  if (fresh.length === 0) return;
  const ends = await group.cluster.fetchTopicsOffset(byTopic(fresh).map((topic) => ({ ...topic, fromBeginning: false })));
  const positions: Position[] = ends.flatMap(({ topic, partitions: answers }) =>
    answers.map((answer) => ({ topic, partition: answer.partition, offset: offset(answer.offset) })),
  );
  await commitForGeneration(group.offsetManager, positions);
}

/** What is to be said of the partitions of a group that begins at the earliest record where it never committed an offset. */
export async function beginningsOf(group: KafkaJsConsumerGroup, partitions: readonly TopicPartition[]): Promise<OffsetReset[]> {
  const fresh = await neverCommitted(group, partitions);
  if (fresh.length === 0) return [];
  return (await rangesOf(group, fresh)).flatMap((range) => offsetReset(undefined, range) ?? []);
}

/**
 * Takes over what kafkajs does for an offset that the log does not hold (any more). Its own way is to commit "the earliest" in the
 * place of an offset, so that nobody can tell afterwards what was skipped: here the earliest offset there is becomes the
 * position, what lies between is told, and, because it can never be read again, passed over for good.
 */
export function recoverOutOfRange(group: KafkaJsConsumerGroup, tell: (reset: OffsetReset) => void): void {
  const manager = group.offsetManager;
  manager.setDefaultOffset = async ({ topic, partition }) => {
    const from = offset(manager.nextOffset(topic, partition).toString());
    const [range] = await rangesOf(group, [{ topic, partition }]);
    const reset = range === undefined ? undefined : offsetReset(from, range);
    if (reset === undefined) {
      await new Promise((resolve) => setTimeout(resolve, SECOND_LOOK_MS));
      return;
    }
    // It takes the offset that was read last.
    manager.resolveOffset({ topic, partition, offset: (reset.to - 1n).toString() });
    tell(reset);
    if (reset.reason === 'records-gone') await commitForGeneration(manager, [{ topic, partition, offset: reset.to }]);
  };
}

async function neverCommitted(group: KafkaJsConsumerGroup, partitions: readonly TopicPartition[]): Promise<TopicPartition[]> {
  if (partitions.length === 0) return [];
  const coordinator = await group.offsetManager.getCoordinator();
  const { responses } = await coordinator.offsetFetch({ groupId: group.groupId, topics: byTopic(partitions) });
  return responses.flatMap(({ topic, partitions: answers }) =>
    // -1 says that there is none; other clients have written -2, which means the earliest.
    answers.filter((answer) => answer.offset.startsWith('-')).map(({ partition }) => ({ topic, partition })),
  );
}

async function rangesOf(group: KafkaJsConsumerGroup, partitions: readonly TopicPartition[]): Promise<PartitionOffsets[]> {
  const topics = byTopic(partitions);
  const [starts, ends] = await Promise.all(
    [true, false].map((fromBeginning) => group.cluster.fetchTopicsOffset(topics.map((topic) => ({ ...topic, fromBeginning })))),
  );
  const endOf = new Map((ends ?? []).flatMap(({ topic, partitions: answers }) => answers.map((one) => [keyOf(topic, one), one.offset])));
  return (starts ?? []).flatMap(({ topic, partitions: answers }) =>
    answers.flatMap(({ partition, offset: earliest }) => {
      const end = endOf.get(keyOf(topic, { partition }));
      return end === undefined ? [] : [{ topic, partition, earliest: offset(earliest), end: offset(end) }];
    }),
  );
}

function keyOf(topic: string, { partition }: { readonly partition: number }): string {
  return partitionKey({ topic, partition });
}

export function byTopic(partitions: readonly TopicPartition[]): { topic: string; partitions: { partition: number }[] }[] {
  return [...new Set(partitions.map(({ topic }) => topic))].map((topic) => ({
    topic,
    partitions: partitions.filter((other) => other.topic === topic).map(({ partition }) => ({ partition })),
  }));
}
