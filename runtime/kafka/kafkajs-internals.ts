import type { DescribeConfigResponse, ISocketFactory, Kafka, KafkaMessage } from 'kafkajs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { FETCH_VERSION } from './fetch-answer.ts';

/**
 * The parts of kafkajs 2.2.4 that are not in its public types and that the adapter has to touch: it has no awaited
 * "partitions revoked", no way to commit for one generation only, no header that is null, and no way to send finished record
 * batches. Nothing else may deep-import.
 */
const load = createRequire(import.meta.url);

export interface OffsetsByTopic {
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly { readonly partition: number; readonly offset: string; readonly metadata: string }[];
  }[];
}

export interface KafkaJsCoordinator {
  heartbeat(request: { groupId: string; memberId: string; groupGenerationId: number }): Promise<unknown>;
  offsetFetch(request: { groupId: string; topics: readonly { topic: string; partitions: readonly { partition: number }[] }[] }): Promise<{
    responses: readonly { topic: string; partitions: readonly { partition: number; offset: string; metadata: string | null }[] }[];
  }>;
}

/** Belongs to one generation of the group: what it commits carries that generation and is refused after the next one. */
export interface KafkaJsOffsetManager {
  getCoordinator(): Promise<KafkaJsCoordinator>;
  commitOffsets(offsets: OffsetsByTopic): Promise<void>;
  /** Of the next fetch. */
  nextOffset(topic: string, partition: number): { toString(): string };
  /** The next fetch begins behind the offset. */
  resolveOffset(position: { topic: string; partition: number; offset: string }): void;
  /** Called when a broker answers that an offset is out of range. */
  setDefaultOffset: (partition: { topic: string; partition: number }) => Promise<void>;
}

export interface KafkaJsCluster {
  fetchTopicsOffset(
    topics: readonly { topic: string; fromBeginning: boolean; partitions: readonly { partition: number }[] }[],
  ): Promise<readonly { topic: string; partitions: readonly { partition: number; offset: string }[] }[]>;
  findControllerBroker(): Promise<KafkaJsClusterBroker>;
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
  /** Milliseconds of the calendar's clock: the next heartbeat is due so long after it. */
  lastRequest: number;
  /** How long a fetch may wait for records, and how long none is made when every partition is paused. */
  maxWaitTime: number;
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

/** One socket. `requestQueue` knows which answer belongs to which request and which requests wait. */
export interface KafkaJsConnection {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly socket: Socket | undefined;
  readonly requestQueue: {
    push(request: {
      readonly entry: {
        readonly apiKey: number;
        readonly apiName: string;
        readonly apiVersion: number;
        readonly correlationId: number;
        resolve(answer: { readonly payload: Buffer }): void;
        reject(error: unknown): void;
      };
      readonly expectResponse: boolean;
      readonly requestTimeout: number | null;
      sendRequest(): void;
    }): void;
  };
  isConnected(): boolean;
  readonly sasl: object | null;
  /** By `process.hrtime`; null before the first time. */
  readonly authenticatedAt: [number, number] | null;
  /** False also some seconds before the broker's `connections.max.reauth.ms` are over. */
  isAuthenticated(): boolean;
  /** Anew when it must; one at a time. */
  authenticate(): Promise<void>;
  nextCorrelationId(): number;
  rejectRequests(error: Error): void;
  disconnect(): Promise<unknown>;
}

/** kafkajs's own pair of a request and the reading of its answer. */
interface KafkaJsExchange<T> {
  readonly request: object;
  readonly response: { decode(payload: Buffer): Promise<T>; parse(decoded: T): unknown };
}

export interface KafkaJsMetadata {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number; readonly rack?: string | null }[];
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number;
    readonly topic: string;
    readonly partitionMetadata: readonly { readonly partitionErrorCode: number; readonly partitionId: number; readonly leader: number }[];
  }[];
}

export interface KafkaJsConnectionPool {
  readonly host: string;
  readonly port: number;
  readonly pool: readonly KafkaJsConnection[];
  send(exchange: KafkaJsExchange<unknown>): Promise<unknown>;
}

export interface KafkaJsBroker {
  readonly connectionPool: KafkaJsConnectionPool;
  readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number } | undefined>> | null;
  isConnected(): boolean;
  /** Connects, asks for the versions of the APIs, authenticates. */
  connect(): Promise<void>;
  lookupRequest(apiKey: number, definition: object): (request: object) => KafkaJsExchange<unknown>;
  initProducerId(request: {
    readonly transactionalId: null;
    readonly transactionTimeout: number;
  }): Promise<{ readonly producerId: string; readonly producerEpoch: number }>;
}

/** Makes brokers with all the settings of a client (addresses, TLS, SASL, timeouts, logger), connected to nothing yet. */
export interface KafkaJsBrokerFactory {
  /** @param address left out: the next one of the configured brokers. */
  create(address?: { readonly host: string; readonly port: number; readonly rack?: string | null }): Promise<KafkaJsBroker>;
}

interface KafkaJsClusterParts {
  readonly rootLogger: object;
  readonly connectionPoolBuilder: { build(address?: object): Promise<KafkaJsConnectionPool> };
  readonly brokerPool: {
    createBroker(options: { readonly connectionPool: KafkaJsConnectionPool; readonly logger: object }): KafkaJsBroker;
  };
}

const METADATA_API_KEY = 3;

export interface KafkaJsInternals {
  readonly requestQueue: { prototype: { scheduleCheckPendingRequests(this: KafkaJsRequestQueue): void } };
  readonly consumerGroup: { prototype: { joinAndSync: (this: KafkaJsConsumerGroup) => Promise<void> } };
  readonly encoder: { prototype: { writeVarIntBytes: (this: KafkaJsEncoder, value: Buffer | null) => KafkaJsEncoder } };
  readonly encodeRecord: (record: { key: Buffer | null; value: Buffer | null; headers: object }) => KafkaJsEncoder;
  /** Of the Fetch API, in the version that is spoken with every broker since Kafka 2.3. */
  readonly fetchResponse: { decode: (bytes: Buffer) => Promise<unknown> };
  /** Null for records that are not compressed. @throws for a codec that is not there. */
  readonly codecOf: (attributes: number) => { decompress(bytes: Buffer): Promise<Buffer> } | null;
}

/** One connection to a broker, as kafkajs keeps it: what its public admin cannot ask can be asked here. */
export interface KafkaJsClusterBroker {
  readonly connectionPool: {
    send<T>(request: {
      readonly request: {
        readonly apiKey: number;
        readonly apiName: string;
        readonly apiVersion: number;
        readonly encode: () => Promise<unknown>;
      };
      readonly response: { readonly decode: (bytes: Buffer) => Promise<T>; readonly parse: (answer: T) => Promise<T> };
    }): Promise<T>;
  };
  fetch(request: {
    readonly maxWaitTime: number;
    readonly minBytes: number;
    readonly maxBytes: number;
    readonly isolationLevel: number;
    readonly topics: readonly {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number; readonly fetchOffset: string; readonly maxBytes: number }[];
    }[];
  }): Promise<{
    /** Milliseconds for which the broker answers nothing more, for a quota. */
    readonly clientSideThrottleTime?: number;
    readonly responses: readonly {
      readonly partitions: readonly {
        readonly highWatermark: string;
        /** Where a transaction is open; readers of committed records get nothing from there on. */
        readonly lastStableOffset?: string;
        readonly messages: readonly (KafkaMessage & { readonly isControlRecord?: boolean })[];
      }[];
    }[];
  }>;
  describeConfigs(request: {
    readonly resources: readonly { readonly type: number; readonly name: string }[];
    readonly includeSynonyms: boolean;
  }): Promise<DescribeConfigResponse>;
}

/** The client's own view of the cluster: connections, metadata and leaders, kept and renewed by kafkajs. */
export interface KafkaJsClusterAccess {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  refreshMetadata(): Promise<void>;
  findControllerBroker(): Promise<KafkaJsClusterBroker>;
  findBroker(node: { readonly nodeId: string }): Promise<KafkaJsClusterBroker>;
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Readonly<Record<string, readonly number[]>>;
  findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number }[];
  fetchTopicsOffset(
    topics: readonly {
      readonly topic: string;
      readonly fromBeginning?: boolean;
      readonly fromTimestamp?: number;
      readonly partitions: readonly { readonly partition: number }[];
    }[],
  ): Promise<
    readonly { readonly topic: string; readonly partitions: readonly { readonly partition: number; readonly offset: string }[] }[]
  >;
}

type CreateCluster = (options: { readonly metadataMaxAge: number; readonly allowAutoTopicCreation: boolean }) => KafkaJsClusterAccess;

/** @throws Error when the installed version has no such door. */
export function kafkaJsCluster(client: Kafka, metadataMaxAgeMs: number): KafkaJsClusterAccess {
  const door = Object.getOwnPropertySymbols(client).find((symbol) => symbol.description === 'private:Kafka:createCluster');
  const create = door === undefined ? undefined : (client as unknown as Record<symbol, CreateCluster | undefined>)[door];
  if (create === undefined) throw new Error('this version of kafkajs has no createCluster');
  return create({ metadataMaxAge: metadataMaxAgeMs, allowAutoTopicCreation: false });
}

/** An encoder that holds these bytes, as a request's body has to be handed over. */
export function kafkaJsBody(bytes: Buffer): unknown {
  const Encoder = load('kafkajs/src/protocol/encoder') as new () => { writeBuffer(bytes: Buffer): unknown };
  return new Encoder().writeBuffer(bytes);
}

export interface KafkaJsBodyReader {
  readInt16(): number;
  readInt32(): number;
  readBoolean(): boolean;
  readUVarInt(): number;
  readUVarIntString(): string | null;
  readBytes(length: number): Buffer | null;
  readTaggedFields(): unknown;
}

export function kafkaJsBodyReader(bytes: Buffer): KafkaJsBodyReader {
  const Decoder = load('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => KafkaJsBodyReader;
  return new Decoder(bytes);
}

/** How kafkajs itself makes connections: TCP, or TLS when it is given settings for it. */
export function kafkaJsSocketFactory(): ISocketFactory {
  return (load('kafkajs/src/network/socketFactory') as () => ISocketFactory)();
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
    encodeRecord: load('kafkajs/src/protocol/recordBatch/record/v0') as KafkaJsInternals['encodeRecord'],
    fetchResponse: load(`kafkajs/src/protocol/requests/fetch/v${FETCH_VERSION}/response`) as KafkaJsInternals['fetchResponse'],
    codecOf: (load('kafkajs/src/protocol/message/compression') as { lookupCodecByAttributes: KafkaJsInternals['codecOf'] })
      .lookupCodecByAttributes,
  };
}

/** @throws Error when the client is not built like that of version 2.2.4. */
export function kafkaJsBrokerFactory(client: Kafka): KafkaJsBrokerFactory {
  const symbol = Object.getOwnPropertySymbols(client).find(({ description }) => description === 'private:Kafka:createCluster');
  const createCluster = symbol === undefined ? undefined : (Reflect.get(client, symbol) as unknown);
  if (typeof createCluster !== 'function') throw new Error('kafkajs has no createCluster');
  const cluster = (createCluster as (options: object) => KafkaJsClusterParts)({ allowAutoTopicCreation: false });
  return {
    create: async (address) =>
      cluster.brokerPool.createBroker({ connectionPool: await cluster.connectionPoolBuilder.build(address), logger: cluster.rootLogger }),
  };
}

/** Who leads the topic's partitions. Unlike kafkajs's own call it does not throw away the whole answer for one partition's error. */
export async function fetchTopicMetadata(broker: KafkaJsBroker, topic: string): Promise<KafkaJsMetadata> {
  const { requests } = load('kafkajs/src/protocol/requests') as { requests: { Metadata: object } };
  const { request, response } = broker.lookupRequest(
    METADATA_API_KEY,
    requests.Metadata,
  )({ topics: [topic], allowAutoTopicCreation: false });
  return (await broker.connectionPool.send({
    request,
    response: { decode: (payload) => response.decode(payload), parse: (decoded) => decoded },
  })) as KafkaJsMetadata;
}
