import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { ClassifiedError } from '../core/errors.ts';
import type { Service } from '../core/lifecycle.ts';

export interface ListeningAddress {
  readonly host: string;
  readonly port: number;
  /** `http://127.0.0.1:8080`, without a slash at the end. */
  readonly url: string;
}

export interface HttpService extends Service {
  /** Undefined before `start` resolved and after `stop` began. */
  address(): ListeningAddress | undefined;
}

export interface HttpServiceOptions {
  readonly name: string;
  readonly host: string;
  /** 0: any free one; `address()` tells which. */
  readonly port: number;
  /** Called as soon as a stop begins, before the listener closes. */
  onStopping(): void;
}

const SWEEP_MS = 100;

/**
 * A server's life. A stop refuses new connections at once, lets the requests in hand be answered, and returns when the
 * last connection is closed; the hard signal cuts what is still open.
 */
export function createHttpService(app: FastifyInstance, options: HttpServiceOptions): HttpService {
  let listening: ListeningAddress | undefined;
  let starting: Promise<void> | undefined;
  let stopping: Promise<void> | undefined;

  const listen = async (): Promise<void> => {
    try {
      await app.listen({ host: options.host, port: options.port });
    } catch (error) {
      await app.close();
      throw error instanceof ClassifiedError ? error : listenError(error, options);
    }
    listening = addressOf(app.server.address(), options.host);
  };

  const close = async (): Promise<void> => {
    options.onStopping();
    listening = undefined;
    // What is being started is let start, so that there is one thing to close; its failure is the starter's to hear.
    await starting?.catch(() => undefined);
    listening = undefined;
    // A connection that was busy when the close began falls idle later, and would be kept open for its next request.
    const sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS);
    try {
      await app.close();
    } finally {
      clearInterval(sweep);
    }
  };

  return {
    name: options.name,
    address: () => listening,
    start: async () => {
      if (stopping !== undefined) return;
      starting ??= listen();
      await starting;
    },
    stop: async (hard) => {
      stopping ??= close();
      const cut = (): void => app.server.closeAllConnections();
      if (hard.aborted) cut();
      hard.addEventListener('abort', cut, { once: true });
      try {
        await stopping;
      } finally {
        hard.removeEventListener('abort', cut);
      }
    },
  };
}

function addressOf(address: AddressInfo | string | null, host: string): ListeningAddress | undefined {
  if (address === null || typeof address === 'string') return undefined;
  const named = host.includes(':') ? `[${host}]` : host;
  return { host, port: address.port, url: `http://${named}:${address.port}` };
}

function listenError(error: unknown, options: HttpServiceOptions): ClassifiedError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  const why = code === 'EADDRINUSE' ? 'the port is in use' : `the address cannot be used (${code})`;
  return new ClassifiedError(
    'CONFIGURATION_INVALID',
    `${options.name}: cannot listen on ${options.host}:${options.port}: ${why} (set HTTP_HOST, and HTTP_PORT or OPERATIONS_PORT)`,
    {
      cause: error,
    },
  );
}
