import type { Logger } from '../../core/log.ts';
import { kafkaErrorName } from './kafkajs-errors.ts';
import type { KafkaJsConsumerGroup } from './kafkajs-internals.ts';

/**
 * Keeps a member's session alive while it drains: the fetch loop, which carries kafkajs's heartbeats, stands still then.
 * Returns what ends it.
 */
export function beginHeartbeats(
  group: KafkaJsConsumerGroup | undefined,
  intervalMs: number,
  logger: Logger,
  onBeat: () => void,
): () => void {
  const timer = setInterval(() => {
    void beat(group, logger).then(onBeat);
  }, intervalMs);
  return () => {
    clearInterval(timer);
  };
}

async function beat(group: KafkaJsConsumerGroup | undefined, logger: Logger): Promise<void> {
  const { coordinator, groupId, memberId, generationId } = group ?? {};
  if (!coordinator || groupId === undefined || !memberId || generationId === null || generationId === undefined) return;
  try {
    await coordinator.heartbeat({ groupId, memberId, groupGenerationId: generationId });
  } catch (thrown) {
    // "Rebalance in progress" is the expected answer, and it keeps the session alive like any other.
    logger.debug({ 'kafka.error': kafkaErrorName(thrown) }, 'heartbeat while draining');
  }
}
