import { createRequire } from 'node:module';
import type * as undici from 'undici';
import type { CallContext } from '../../core/calls.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { utf8 } from '../../core/record.ts';
import { formatTraceparent } from '../../core/trace.ts';

const load = createRequire(import.meta.url);

const RESPONSE_BYTES_MAX = 65_536;
const CONNECT_TIMEOUT_MS = 5_000;

export interface JsonPostOptions {
  readonly url: string;
  /** Names the service in messages: `the classifier`. */
  readonly what: string;
  readonly connectionsMax: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface JsonPost {
  /**
   * @throws ClassifiedError CALL_UNAVAILABLE when no answer came (refused, reset, no such host), CALL_FAILED when the answer
   * is larger than 64 KiB; the signal's reason when it aborts.
   */
  post(body: string, context: CallContext, headers?: Readonly<Record<string, string>>): Promise<{ status: number; body: Uint8Array }>;
  /** Closes the connections; requests under way are cut. */
  stop(): Promise<void>;
}

/** JSON by POST over a bounded number of kept connections, with idempotency key and trace; redirects are not followed. */
export function createJsonPost(options: JsonPostOptions): JsonPost {
  // Only now: a process that calls nobody starts sooner without the library.
  const { Agent, request } = load('undici') as typeof undici;
  const agent = new Agent({
    connections: options.connectionsMax,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    maxResponseSize: RESPONSE_BYTES_MAX,
    // Deadlines are the caller's signal; these only keep a connection from hanging for ever without one.
    headersTimeout: 120_000,
    bodyTimeout: 120_000,
  });
  return {
    post: async (body, context, headers) => {
      try {
        const answer = await request(options.url, {
          method: 'POST',
          dispatcher: agent,
          signal: context.signal,
          headers: {
            ...options.headers,
            ...contextHeaders(context),
            ...headers,
            'content-type': 'application/json',
            accept: 'application/json',
          },
          body: utf8(body),
        });
        return { status: answer.statusCode, body: new Uint8Array(await answer.body.arrayBuffer()) };
      } catch (error) {
        context.signal.throwIfAborted();
        if (isTooLarge(error)) {
          throw new ClassifiedError('CALL_FAILED', `${options.what} answered more than ${RESPONSE_BYTES_MAX} bytes`, { cause: error });
        }
        throw new ClassifiedError('CALL_UNAVAILABLE', `${options.what} gave no answer`, { cause: error });
      }
    },
    stop: async () => {
      await agent.destroy();
    },
  };
}

function contextHeaders({ idempotencyKey, trace }: CallContext): Record<string, string> {
  return {
    'idempotency-key': idempotencyKey,
    traceparent: formatTraceparent(trace),
    ...(trace.tracestate === undefined ? {} : { tracestate: trace.tracestate }),
    ...(trace.requestId === undefined ? {} : { 'x-request-id': trace.requestId }),
  };
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE';
}
