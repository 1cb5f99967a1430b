import { ClassifiedError } from '../../core/errors.ts';
import type { KafkaJsBroker, KafkaJsConnection } from './kafkajs-internals.ts';
import { PRODUCE_API_KEY, PRODUCE_API_VERSION } from './produce-request.ts';
import { within } from './within.ts';

/**
 * One broker and the connection to it. A connection that failed is never used again: kafkajs keeps half an answer of the old
 * socket for the new one, and a socket on which one request stays without an answer has nothing to say about the next either.
 */
export class KafkaJsNode {
  private readonly open: () => Promise<KafkaJsBroker>;
  private readonly timeoutMs: number;
  private broker: KafkaJsBroker | undefined;
  private connecting: Promise<KafkaJsBroker> | undefined;
  private closed = false;

  constructor(open: () => Promise<KafkaJsBroker>, timeoutMs: number) {
    this.open = open;
    this.timeoutMs = timeoutMs;
  }

  /** Also while the connection has to be authenticated anew: that is no reason to give it up. */
  isConnected(): boolean {
    return this.connection() !== undefined;
  }

  /** The address of the connection, when there is one. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    return this.broker?.connectionPool;
  }

  /** The connection for produce requests, if it is up; it may be given up at any time after. */
  connection(): KafkaJsConnection | undefined {
    const connection = this.broker?.connectionPool.pool[0];
    return connection?.isConnected() === true ? connection : undefined;
  }

  /**
   * Undefined when requests may be sent; otherwise resolves when they may be: a broker closes a connection that sends one after
   * its `connections.max.reauth.ms`. kafkajs sees to it only for requests of its own. Rejects with what kafkajs throws.
   */
  authenticated(connection: KafkaJsConnection): Promise<void> | undefined {
    if (connection.sasl === null || connection.isAuthenticated() || authenticatedJustNow(connection)) return undefined;
    return within(this.timeoutMs, connection.authenticate(), 'a broker did not authenticate a connection anew in time');
  }

  /** Connects when it must. Rejects with what kafkajs throws, or KAFKA_UNAVAILABLE when it takes too long. */
  async connected(): Promise<KafkaJsBroker> {
    if (this.broker !== undefined && this.isConnected()) return this.broker;
    this.connecting ??= this.connect().finally(() => (this.connecting = undefined));
    return this.connecting;
  }

  /**
   * Whatever waits for an answer is rejected with the reason; the next `connected` makes a new connection.
   *
   * @param failed the connection that is meant: nothing happens when it has been replaced already. Left out: whichever there is.
   */
  drop(reason: Error, failed?: KafkaJsConnection): void {
    const { broker } = this;
    if (broker === undefined || (failed !== undefined && !broker.connectionPool.pool.includes(failed))) return;
    this.broker = undefined;
    destroy(broker, reason);
  }

  close(reason: Error): void {
    this.closed = true;
    this.drop(reason);
  }

  private async connect(): Promise<KafkaJsBroker> {
    this.drop(new Error('the connection is not usable any more'));
    const broker = await this.open();
    try {
      await within(this.timeoutMs, broker.connect(), 'a broker did not let itself be connected in time');
      refuseOldBroker(broker);
      if (this.closed) throw new Error('the client is closed');
    } catch (thrown) {
      destroy(broker, new Error('the connection could not be made'));
      throw thrown;
    }
    this.broker = broker;
    return broker;
  }
}

/** A broker closes a connection that authenticates twice within a second, as a client would whose limit is below kafkajs's margin of 10 s. */
function authenticatedJustNow({ authenticatedAt }: KafkaJsConnection): boolean {
  if (authenticatedAt === null) return false;
  const [seconds, nanoseconds] = process.hrtime(authenticatedAt);
  return seconds + nanoseconds / 1e9 < 1.1;
}

function refuseOldBroker({ versions }: KafkaJsBroker): void {
  const offered = versions?.[PRODUCE_API_KEY];
  if (offered !== undefined && offered.minVersion <= PRODUCE_API_VERSION && PRODUCE_API_VERSION <= offered.maxVersion) return;
  throw new ClassifiedError('CONFIGURATION_INVALID', `the broker does not know produce requests of version ${PRODUCE_API_VERSION}`);
}

function destroy(broker: KafkaJsBroker, reason: Error): void {
  for (const connection of broker.connectionPool.pool) {
    connection.rejectRequests(reason);
    // Ends its timers; nothing is pending any more, so that it waits for nothing.
    connection.disconnect().catch(() => undefined);
    // At once: what has not been written yet must not be written later.
    connection.socket?.destroy();
  }
}
