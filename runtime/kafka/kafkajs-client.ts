import { Kafka, logLevel, type ISocketFactory, type RetryOptions, type SASLOptions } from 'kafkajs';
import type { ConnectionOptions } from 'node:tls';
import type { Logger } from '../../core/log.ts';
import { kafkaJsSocketFactory } from './kafkajs-internals.ts';
import { kafkaJsLogCreator } from './kafkajs-log.ts';

export interface KafkaJsSettings {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly logger: Logger;
  readonly ssl?: boolean | ConnectionOptions;
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
  /** Default 3 s. */
  readonly connectionTimeoutMs?: number;
  /** Default 15 s. */
  readonly requestTimeoutMs?: number;
  /** How long one append of a batch producer is tried; an attempt that has begun may take a request timeout more. Default 20 s. */
  readonly deliveryTimeoutMs?: number;
  /** How soon new partitions and moved leaders are noticed without an error. Default 60 s. */
  readonly metadataMaxAgeMs?: number;
  /** How connections are made; left out: TCP, or TLS with `ssl`. A proxy or a test stands in between here. */
  readonly socketFactory?: ISocketFactory;
}

export const DEFAULT_REQUEST_TIMEOUT_MS = 15_000;
export const DEFAULT_METADATA_MAX_AGE_MS = 60_000;

/** Retries inside kafkajs are few and short: it multiplies them (a retried send retries its connection), and waiting is ours. */
export const SHORT_RETRIES: RetryOptions = { initialRetryTime: 100, maxRetryTime: 1_000, multiplier: 2, factor: 0.2, retries: 3 };

/**
 * One kafkajs client for one use. Never shared between consumers: members of one group that share a client also share its
 * record of what the group has committed.
 */
export function createKafkaJsClient(settings: KafkaJsSettings, clientId = settings.clientId): Kafka {
  return new Kafka({
    brokers: [...settings.brokers],
    clientId,
    ssl: settings.ssl ?? false,
    ...(settings.sasl === undefined ? {} : { sasl: settings.sasl as SASLOptions }),
    connectionTimeout: settings.connectionTimeoutMs ?? 3_000,
    requestTimeout: settings.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
    socketFactory: withoutDelay(settings.socketFactory ?? kafkaJsSocketFactory()),
    retry: SHORT_RETRIES,
    logLevel: logLevel.INFO,
    logCreator: kafkaJsLogCreator(settings.logger),
  });
}

/**
 * kafkajs leaves Nagle's algorithm on: what follows a request that is still without an answer, and the end of a large one, would
 * wait for an acknowledgement that the broker's system may put off for 40 ms.
 */
function withoutDelay(create: ISocketFactory): ISocketFactory {
  return (options) => create(options).setNoDelay(true);
}
