/**
 * Finished record batches as a port: what a relay uses when one object per record costs too much. The caller lays the records
 * out as bytes (Kafka's record format v2), the adapter completes the head of each batch and brings it to the partition's
 * leader. Adapters: kafkajs's own connections, and in-memory; both pass `test/conformance/batch-producer.conformance.test.ts`.
 *
 * Source of the layout: Kafka documentation, section "Record Batch"; `org.apache.kafka.common.record.DefaultRecordBatch`.
 */

/**
 * Bytes in front of the first record: base offset (8), batch length (4), partition leader epoch (4), magic (1), CRC-32C (4),
 * attributes (2), last offset delta (4), base timestamp (8), max timestamp (8), producer id (8), producer epoch (2), base
 * sequence (4), number of records (4). The caller leaves them free, the adapter fills them in.
 */
export const RECORD_BATCH_HEAD_BYTES = 61;

/** Records of one partition, in order: offset deltas 0, 1, 2 …, timestamp deltas against `baseTimestampMs`. */
export interface RecordBatch {
  /** The free head and the records behind it; nothing else. Not to be touched by the caller until `append` has settled. */
  readonly bytes: Uint8Array;
  readonly recordCount: number;
  /** Milliseconds since the epoch. */
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
}

export interface BatchProducer {
  /** Connects if the brokers are there; resolves also when they are not, and connects later. */
  start(): Promise<void>;
  /**
   * How many partitions a topic has; asked of the brokers once and remembered for the metadata's age. Rejects with
   * KAFKA_UNAVAILABLE, or CONFIGURATION_INVALID when there is no such topic.
   */
  partitionCount(topic: string): Promise<number>;
  /** The same from memory; undefined when it is not known or too old. */
  knownPartitionCount(topic: string): number | undefined;
  /**
   * Appends one batch and resolves when all in-sync replicas have it (acks=all). Idempotent while the adapter lives: a batch
   * that is given again after KAFKA_UNAVAILABLE (the same object) is in the partition once, whether the first attempt had reached
   * it or not, as far as Kafka's producer ids reach. At most one batch per partition at a time; other partitions go on beside
   * it, and what is given while a broker is busy shares the next request to it.
   *
   * With `signal` the caller gives it up: it is not tried again, and rejects with KAFKA_UNAVAILABLE unless it was appended. Otherwise a batch whose
   * topic was deleted could come first in the one that is made in its place, long after its caller has let go of it.
   *
   * Not leader, a lost connection and a forgotten producer id are dealt with inside. Rejects with
   * - KAFKA_UNAVAILABLE: not known whether it was appended; give the same batch again.
   * - RECORD_TOO_LARGE: the batch is above what topic or broker allow, nothing of it was appended; split it.
   * - RECORD_REJECTED: the broker refuses a record of it, nothing was appended; split it.
   * - CONFIGURATION_INVALID: no such topic or partition any more, no right to write, or timestamps outside of the topic's limits
   *   (`message.timestamp.after.max.ms`: the clock is wrong).
   */
  append(topic: string, partition: number, batch: RecordBatch, signal?: AbortSignal): Promise<void>;
  /** Waits for what is in flight, at most for the request timeout. */
  stop(): Promise<void>;
}
