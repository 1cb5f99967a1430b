import type { KafkaJsConnection } from './kafkajs-internals.ts';
import type { KafkaJsNode } from './kafkajs-node.ts';
import { sendRawRequest } from './kafkajs-raw-request.ts';
import {
  parseProduceResponse,
  partitionKey,
  PRODUCE_API_KEY,
  PRODUCE_API_VERSION,
  produceRequestBody,
  type PartitionBatch,
} from './produce-request.ts';
import { within } from './within.ts';

/** Far below what a broker takes in one request (`socket.request.max.bytes`, 100 MiB). One batch may be larger. */
const MAX_REQUEST_BYTES = 16 * 1_048_576;
/** Gathered beside a request that is under way, so much is written without waiting for its answer: once, not more. */
const EARLY_BYTES = 262_144;
/** A broker asks for at most about a quota window of patience, seconds; it cannot make us wait longer than this. */
const MAX_THROTTLE_MS = 30_000;

/** Nothing was written: no attempt with these bytes has been made. */
export class NotSentError extends Error {
  constructor(options?: ErrorOptions) {
    super('the connection to the broker was lost before the request', options);
    this.name = 'NotSentError';
  }
}

interface Waiting extends PartitionBatch {
  resolve(errorCode: number): void;
  reject(error: unknown): void;
}

/**
 * The produce requests to one broker. It reads the next request of a connection only when it has answered the last one, so that
 * many small ones would wait for each other, and cost it more than what is in them. So what is asked for in one turn of the
 * event loop goes in one request, and while one is under way the next one gathers until the answer is there; or until
 * there is so much of it that the way to the broker is worth using meanwhile.
 */
export class ProduceTurn {
  private readonly node: KafkaJsNode;
  private readonly requestTimeoutMs: number;
  private waiting: Waiting[] = [];
  private waitingBytes = 0;
  private scheduled = false;
  private underWay = 0;
  private throttledUntilMs = 0;

  constructor(node: KafkaJsNode, requestTimeoutMs: number) {
    this.node = node;
    this.requestTimeoutMs = requestTimeoutMs;
  }

  /**
   * Resolves with the error code that the broker gives for the partition. Rejects with NotSentError, or with anything else when
   * it is not known what became of the batch; the connection is given up then.
   */
  send(item: PartitionBatch): Promise<number> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ ...item, resolve, reject });
      this.waitingBytes += item.batch.bytes.length;
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.scheduled || this.waiting.length === 0) return;
    if (this.underWay > 0 && (this.underWay > 1 || this.waitingBytes < EARLY_BYTES)) return;
    this.scheduled = true;
    const throttledForMs = this.throttledUntilMs - performance.now();
    if (throttledForMs > 0) setTimeout(() => this.flush(), throttledForMs);
    else setImmediate(() => this.flush());
  }

  private flush(): void {
    this.scheduled = false;
    this.waitingBytes = 0;
    for (const items of requestsOf(this.waiting.splice(0))) void this.write(items);
  }

  /** Never rejects: the items are told. */
  private async write(items: readonly Waiting[]): Promise<void> {
    this.underWay += 1;
    await this.request(items);
    this.underWay -= 1;
    // In this turn of the event loop those who were answered may give their next batches, which go along.
    this.schedule();
  }

  /** Undefined when there is none: the items are told. */
  private async readyConnection(items: readonly Waiting[]): Promise<KafkaJsConnection | undefined> {
    const connection = this.node.connection();
    try {
      const authenticated = connection === undefined ? undefined : this.node.authenticated(connection);
      if (authenticated !== undefined) await authenticated;
      if (connection?.isConnected() === true) return connection;
      for (const item of items) item.reject(new NotSentError());
    } catch (cause) {
      this.node.drop(new Error('the connection was given up: it could not be authenticated anew'), connection);
      for (const item of items) item.reject(new NotSentError({ cause }));
    }
    return undefined;
  }

  private async request(items: readonly Waiting[]): Promise<void> {
    const connection = await this.readyConnection(items);
    if (connection === undefined) return;
    try {
      const answer = await within(
        this.requestTimeoutMs,
        sendRawRequest(connection, {
          apiKey: PRODUCE_API_KEY,
          apiName: 'Produce',
          apiVersion: PRODUCE_API_VERSION,
          body: produceRequestBody(items, this.requestTimeoutMs),
        }),
        'a broker did not answer a produce request in time',
      );
      const { errorCodes, throttleMs } = parseProduceResponse(answer);
      if (throttleMs > 0) this.throttledUntilMs = performance.now() + Math.min(throttleMs, MAX_THROTTLE_MS);
      for (const item of items) settle(item, errorCodes.get(partitionKey(item.topic, item.partition)));
    } catch (thrown) {
      this.node.drop(new Error('the connection was given up: a produce request was not answered'), connection);
      for (const item of items) item.reject(thrown);
    }
  }
}

function settle(item: Waiting, errorCode: number | undefined): void {
  if (errorCode === undefined) item.reject(new Error('the broker left a partition without an answer'));
  else item.resolve(errorCode);
}

function requestsOf(items: readonly Waiting[]): Waiting[][] {
  const requests: Waiting[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const item of items) {
    if (bytes + item.batch.bytes.length > MAX_REQUEST_BYTES) {
      requests.push([]);
      bytes = 0;
    }
    requests.at(-1)?.push(item);
    bytes += item.batch.bytes.length;
  }
  return requests;
}
