import type { TopicPartition } from '../../core/record.ts';

/** A partition as a key of maps and sets. Topic names never hold a slash. */
export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
