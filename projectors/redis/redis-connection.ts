import { createRequire } from 'node:module';
import type * as ioredis from 'ioredis';
import type { HealthReport, HealthSource, Service } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import { reconnectDelayMs } from '../../core/retry-policy.ts';

const load = createRequire(import.meta.url);

export interface RedisConnectionOptions {
  /** `redis://` or `rediss://`, with user, password and database number in it. */
  readonly url: string;
  readonly logger: Logger;
  /** Default 2000. */
  readonly connectTimeoutMs?: number;
  /** An answer that takes longer counts as an outage; the command may have run. Default 1000. */
  readonly commandTimeoutMs?: number;
}

/**
 * One connection that is either up or fails at once: no command waits in a queue for a server that is away. It reconnects
 * without end, with jitter. `start` resolves when the first attempt ended, either way: Redis may come later.
 */
export interface RedisConnection extends Service, HealthSource {
  readonly client: ioredis.Redis;
}

export function createRedisConnection(options: RedisConnectionOptions): RedisConnection {
  const { url, logger, connectTimeoutMs = 2000, commandTimeoutMs = 1000 } = options;
  // Only now: a process that has nothing to do with Redis starts sooner without its library.
  const { Redis } = load('ioredis') as typeof ioredis;
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    commandTimeout: commandTimeoutMs,
    socketTimeout: 3 * commandTimeoutMs,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (failures) => reconnectDelayMs(failures, Math.random()),
    // After a failover the old primary answers that it is read-only: find the new one.
    reconnectOnError: (error) => error.message.includes('READONLY'),
  });
  reportState(client, logger);
  return {
    name: 'redis',
    client,
    start: async () => {
      if (client.status !== 'wait') return;
      try {
        await client.connect();
      } catch (error) {
        logger.warn({ 'error.code': 'REDIS_UNAVAILABLE' }, 'Redis cannot be reached yet; it is tried again', error);
      }
    },
    stop: async () => {
      client.disconnect();
    },
    health: () => [healthOf(client)],
  };
}

/** Says when the state changes, and not at each attempt. */
function reportState(client: ioredis.Redis, logger: Logger): void {
  let up: boolean | undefined;
  client.on('ready', () => {
    if (up === false) logger.info({}, 'Redis is back');
    up = true;
  });
  client.on('error', (error: unknown) => {
    if (up !== false) logger.warn({ 'error.code': 'REDIS_UNAVAILABLE' }, 'the connection to Redis failed; it is tried again', error);
    up = false;
  });
  client.on('close', () => {
    if (up === true) logger.warn({ 'error.code': 'REDIS_UNAVAILABLE' }, 'the connection to Redis was closed; it is tried again');
    up = false;
  });
}

function healthOf(client: ioredis.Redis): HealthReport {
  return client.status === 'ready'
    ? { name: 'redis', status: 'ok' }
    : { name: 'redis', status: 'down', detail: 'Redis cannot be reached; reads use the write database and projectors wait.' };
}
