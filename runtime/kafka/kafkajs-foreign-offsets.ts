import type { Logger } from '../../core/log.ts';
import type { TopicPartition } from '../../core/record.ts';
import { COMMITTED_BY } from './kafkajs-commit.ts';
import { kafkaErrorName } from './kafkajs-errors.ts';
import { byTopic } from './kafkajs-first-positions.ts';
import type { KafkaJsConsumerGroup } from './kafkajs-internals.ts';

/**
 * Finds positions from which the group goes on although no member of it has committed them: somebody has set them with another
 * tool. Forward, that passes over records, and nothing else would ever say so. Each is warned of once a stay; never rejects.
 *
 * Returns how many there are.
 */
export async function findForeignOffsets(
  group: KafkaJsConsumerGroup,
  partitions: readonly TopicPartition[],
  logger: Logger,
): Promise<number> {
  if (partitions.length === 0) return 0;
  try {
    const coordinator = await group.offsetManager.getCoordinator();
    const { responses } = await coordinator.offsetFetch({ groupId: group.groupId, topics: byTopic(partitions) });
    const foreign = responses.flatMap(({ topic, partitions: answers }) =>
      answers
        .filter(({ offset, metadata }) => !offset.startsWith('-') && metadata !== COMMITTED_BY)
        .map((answer) => ({ topic, ...answer })),
    );
    for (const { topic, partition, offset } of foreign) {
      logger.warn(
        { 'kafka.group': group.groupId, 'kafka.topic': topic, 'kafka.partition': partition, 'kafka.offset': offset },
        'this offset was committed by no member of the group: somebody has set it. Records before it that were not handled yet are passed over; ' +
          'to have them handled, stop the group and set its offset back to before them: what was done already is not done again',
      );
    }
    return foreign.length;
  } catch (thrown) {
    logger.debug({ 'kafka.error': kafkaErrorName(thrown) }, 'the committed offsets could not be looked at');
    return 0;
  }
}
