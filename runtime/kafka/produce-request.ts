import type { RecordBatch } from '../../core/record-batch.ts';

/** Kafka's Produce API in version 7: the last one that kafkajs speaks, and understood by every broker since 2.1. */
export const PRODUCE_API_KEY = 0;
export const PRODUCE_API_VERSION = 7;

export interface PartitionBatch {
  readonly topic: string;
  readonly partition: number;
  readonly batch: RecordBatch;
}

export interface ProduceResponse {
  /** The error code of every partition that was answered, by `partitionKey`. */
  readonly errorCodes: ReadonlyMap<string, number>;
  readonly throttleMs: number;
}

export function partitionKey(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

/**
 * The body of a request, acks=all, as pieces to be written one after the other: the batches are not copied.
 *
 *   transactional_id NULLABLE_STRING, acks INT16, timeout_ms INT32, [topic STRING, [partition INT32, records BYTES]]
 */
export function produceRequestBody(items: readonly PartitionBatch[], timeoutMs: number): Uint8Array[] {
  const topics = groupByTopic(items);
  const prelude = Buffer.alloc(12);
  prelude.writeInt16BE(-1, 0);
  prelude.writeInt16BE(-1, 2);
  prelude.writeInt32BE(timeoutMs, 4);
  prelude.writeInt32BE(topics.size, 8);
  const pieces: Uint8Array[] = [prelude];
  for (const [topic, partitions] of topics) {
    pieces.push(topicHead(topic, partitions.length));
    for (const { partition, batch } of partitions) {
      const head = Buffer.alloc(8);
      head.writeInt32BE(partition, 0);
      head.writeInt32BE(batch.bytes.length, 4);
      pieces.push(head, batch.bytes);
    }
  }
  return pieces;
}

/**
 *   [topic STRING, [partition INT32, error_code INT16, base_offset INT64, log_append_time INT64, log_start_offset INT64]], throttle_ms INT32
 *
 * @throws RangeError when the bytes end too early.
 */
export function parseProduceResponse(payload: Buffer): ProduceResponse {
  const errorCodes = new Map<string, number>();
  let at = 4;
  for (let topics = payload.readInt32BE(0); topics > 0; topics -= 1) {
    const nameBytes = payload.readInt16BE(at);
    const topic = payload.toString('utf8', at + 2, at + 2 + nameBytes);
    at += 2 + nameBytes;
    let partitions = payload.readInt32BE(at);
    at += 4;
    for (; partitions > 0; partitions -= 1) {
      errorCodes.set(partitionKey(topic, payload.readInt32BE(at)), payload.readInt16BE(at + 4));
      at += 30;
    }
  }
  return { errorCodes, throttleMs: payload.readInt32BE(at) };
}

function groupByTopic(items: readonly PartitionBatch[]): Map<string, PartitionBatch[]> {
  const topics = new Map<string, PartitionBatch[]>();
  for (const item of items) {
    const others = topics.get(item.topic);
    if (others === undefined) topics.set(item.topic, [item]);
    else others.push(item);
  }
  return topics;
}

function topicHead(topic: string, partitions: number): Buffer {
  const nameBytes = Buffer.byteLength(topic);
  const head = Buffer.alloc(2 + nameBytes + 4);
  head.writeInt16BE(nameBytes, 0);
  head.write(topic, 2);
  head.writeInt32BE(partitions, 2 + nameBytes);
  return head;
}
