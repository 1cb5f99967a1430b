import { createRequire } from 'node:module';
import type * as elasticsearch from '@elastic/elasticsearch';

const load = createRequire(import.meta.url);

/** The library, when it is needed: it is large, and a process that has nothing to do with Elasticsearch starts sooner without it. */
export function elasticsearchLibrary(): typeof elasticsearch {
  return load('@elastic/elasticsearch') as typeof elasticsearch;
}

export type ElasticsearchClient = elasticsearch.Client;

export interface ElasticsearchClientOptions {
  /** May hold user and password. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** PEM, when the server's certificate is not signed by a public authority. */
  readonly caCertificate?: string | undefined;
  /** Default 5000. A request that takes longer counts as an outage; it may have been carried out. */
  readonly requestTimeoutMs?: number;
}

/**
 * A client that leaves every decision about retries to its caller: its own would hide an outage and hold items back. It
 * connects when it is used; close it with `client.close()`.
 */
export function createElasticsearchClient(options: ElasticsearchClientOptions): ElasticsearchClient {
  const url = new URL(options.url);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const auth =
    options.apiKey !== undefined
      ? { apiKey: options.apiKey }
      : username === ''
        ? undefined
        : { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  const { Client } = elasticsearchLibrary();
  return new Client({
    node: url.toString(),
    maxRetries: 0,
    requestTimeout: options.requestTimeoutMs ?? 5000,
    ...(auth === undefined ? {} : { auth }),
    ...(options.caCertificate === undefined ? {} : { tls: { ca: options.caCertificate } }),
  });
}
