import type { Consumer as KafkaConsumer } from 'kafkajs';
import { ClassifiedError } from '../../core/errors.ts';
import type { Offset } from '../../core/offset.ts';
import type { TopicPartition } from '../../core/record.ts';
import type { KafkaJsOffsetManager, OffsetsByTopic } from './kafkajs-internals.ts';

/** With every commit of ours, by which it is known from one that somebody else has made for the group. */
export const COMMITTED_BY = 'millrace';

export type Position = TopicPartition & { readonly offset: Offset };

/**
 * Commits with the generation that the manager belongs to, once. kafkajs's own `commitOffsets` retries with whatever
 * generation the member has by then, and could so commit for a partition that has meanwhile been given to another member.
 */
export async function commitForGeneration(manager: KafkaJsOffsetManager, positions: readonly Position[]): Promise<void> {
  await manager.commitOffsets(byTopic(positions));
}

/** Without the patch. kafkajs resolves although it committed nothing when it is not running: only its event says that it did. */
export async function commitThroughClient(consumer: KafkaConsumer, positions: readonly Position[]): Promise<void> {
  const commits: unknown[] = [];
  const forget = consumer.on(consumer.events.COMMIT_OFFSETS, (event) => {
    commits.push(event);
  });
  try {
    await consumer.commitOffsets(
      positions.map(({ topic, partition, offset }) => ({ topic, partition, offset: offset.toString(), metadata: COMMITTED_BY })),
    );
  } finally {
    forget();
  }
  if (commits.length === 0) throw new ClassifiedError('KAFKA_UNAVAILABLE', 'the consumer is not connected');
}

function byTopic(positions: readonly Position[]): OffsetsByTopic {
  const topics = new Map<string, { partition: number; offset: string; metadata: string }[]>();
  for (const { topic, partition, offset } of positions) {
    const partitions = topics.get(topic) ?? [];
    topics.set(topic, partitions);
    partitions.push({ partition, offset: offset.toString(), metadata: COMMITTED_BY });
  }
  return { topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })) };
}
