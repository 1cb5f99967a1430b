import { createRequire } from 'node:module';

/**
 * The parts of kafkajs 2.2.4 that are not in its public types and that the adapter has to touch: it has no awaited
 * "partitions revoked", no way to commit for one generation only, and no header that is null. Nothing else may deep-import.
 */
const load = createRequire(import.meta.url);

export interface OffsetsByTopic {
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly { readonly partition: number; readonly offset: string; readonly metadata: null }[];
  }[];
}

export interface KafkaJsCoordinator {
  heartbeat(request: { groupId: string; memberId: string; groupGenerationId: number }): Promise<unknown>;
  offsetFetch(request: {
    groupId: string;
    topics: readonly { topic: string; partitions: readonly { partition: number }[] }[];
  }): Promise<{ responses: readonly { topic: string; partitions: readonly { partition: number; offset: string }[] }[] }>;
}

/** Belongs to one generation of the group: what it commits carries that generation and is refused after the next one. */
export interface KafkaJsOffsetManager {
  getCoordinator(): Promise<KafkaJsCoordinator>;
  commitOffsets(offsets: OffsetsByTopic): Promise<void>;
}

export interface KafkaJsCluster {
  fetchTopicsOffset(
    topics: readonly { topic: string; fromBeginning: boolean; partitions: readonly { partition: number }[] }[],
  ): Promise<readonly { topic: string; partitions: readonly { partition: number; offset: string }[] }[]>;
}

export interface KafkaJsConsumerGroup {
  readonly groupId: string;
  readonly memberId: string | null;
  readonly generationId: number | null;
  readonly assigners: readonly object[];
  readonly cluster: KafkaJsCluster;
  readonly coordinator: KafkaJsCoordinator | null;
  readonly offsetManager: KafkaJsOffsetManager;
  readonly seekOffset: { pop(topic: string, partition: number): unknown };
  assigned(): readonly { readonly topic: string; readonly partitions: readonly number[] }[];
}

export interface KafkaJsRequestQueue {
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  readonly throttledUntil: number;
  readonly pending: readonly unknown[];
  checkPendingRequests(): void;
}

export interface KafkaJsEncoder {
  readonly buffer: Buffer;
  writeVarInt(value: number): KafkaJsEncoder;
}

export interface KafkaJsDecoder {
  readVarInt(): number;
}

export interface KafkaJsInternals {
  readonly requestQueue: { prototype: { scheduleCheckPendingRequests(this: KafkaJsRequestQueue): void } };
  readonly consumerGroup: { prototype: { joinAndSync(this: KafkaJsConsumerGroup): Promise<void> } };
  readonly encoder: { prototype: { writeVarIntBytes(this: KafkaJsEncoder, value: Buffer | null): KafkaJsEncoder } };
  readonly decoder: {
    new (buffer: Buffer): KafkaJsDecoder;
    prototype: { readVarIntArray(this: KafkaJsDecoder, reader: (decoder: KafkaJsDecoder) => unknown): unknown[] };
  };
  readonly encodeRecord: (record: { key: Buffer | null; value: Buffer | null; headers: object }) => KafkaJsEncoder;
  readonly decodeRecord: (decoder: KafkaJsDecoder, batch: { firstOffset: string; firstTimestamp: string }) => { headers: unknown };
}

export function kafkaJsVersion(): string {
  return (load('kafkajs/package.json') as { version: string }).version;
}

/** @throws Error when the installed version has no such files. */
export function loadKafkaJsInternals(): KafkaJsInternals {
  return {
    requestQueue: load('kafkajs/src/network/requestQueue') as KafkaJsInternals['requestQueue'],
    consumerGroup: load('kafkajs/src/consumer/consumerGroup') as KafkaJsInternals['consumerGroup'],
    encoder: load('kafkajs/src/protocol/encoder') as KafkaJsInternals['encoder'],
    decoder: load('kafkajs/src/protocol/decoder') as KafkaJsInternals['decoder'],
    encodeRecord: load('kafkajs/src/protocol/recordBatch/record/v0') as KafkaJsInternals['encodeRecord'],
    decodeRecord: load('kafkajs/src/protocol/recordBatch/record/v0/decoder') as KafkaJsInternals['decodeRecord'],
  };
}
