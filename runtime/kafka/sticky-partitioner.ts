import type { ICustomPartitioner, Message, PartitionerArgs } from 'kafkajs';
import { ClassifiedError } from '../../core/errors.ts';
import { asBuffer } from './kafkajs-headers.ts';
import { partitionOfKey } from '../../core/partition-of-key.ts';

/**
 * Chooses a partition as every Kafka client does (explicit, else murmur2 of the key, else in turn), once per message and
 * not once per attempt: kafkajs asks again for every retry, and a record without a key that moves between two attempts is
 * appended twice or never.
 */
export class StickyPartitioner {
  private readonly chosen = new WeakMap<Message, number>();
  private readonly turns = new Map<string, number>();

  readonly create: ICustomPartitioner = () => (args) => {
    const partition = this.chosen.get(args.message) ?? this.choose(args);
    this.chosen.set(args.message, partition);
    return partition;
  };

  partitionOf(message: Message): number | undefined {
    return this.chosen.get(message);
  }

  private choose({ topic, partitionMetadata, message }: PartitionerArgs): number {
    const explicit = message.partition;
    if (explicit !== undefined) {
      // kafkajs drops a record for a partition that it does not know, and reports success.
      if (partitionMetadata.some(({ partitionId }) => partitionId === explicit)) return explicit;
      throw new ClassifiedError('CONFIGURATION_INVALID', `topic ${topic} has no partition ${explicit}`);
    }
    if (Buffer.isBuffer(message.key)) return partitionOfKey(asBuffer(message.key), partitionMetadata.length);
    const available = partitionMetadata.filter(({ leader }) => leader >= 0);
    const turn = (this.turns.get(topic) ?? Math.floor(Math.random() * 1_000)) + 1;
    this.turns.set(topic, turn);
    return (available[turn % available.length] ?? partitionMetadata[0])?.partitionId ?? 0;
  }
}
