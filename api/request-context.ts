import { randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { formatTraceparent, startTrace } from '../core/trace.ts';
import type { TraceContext } from '../core/trace.ts';
import { createPooledRandom } from '../runtime/pooled-random.ts';
import type { TokenClaims } from './verify-token.ts';

/** What the API knows of a request besides the request itself. */
export interface RequestContext {
  readonly trace: TraceContext;
  readonly logger: Logger;
  userId: string | undefined;
  /** What the caller's token says. */
  token: TokenClaims | undefined;
  /** What was thrown, when the answer is a problem. */
  failure: unknown;
  /** Where a query's answer came from. */
  readSource: string | undefined;
}

export interface Telemetry {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

declare module 'fastify' {
  interface FastifyRequest {
    context: RequestContext;
  }
}

/** The routes that probes and scrapers ask every few seconds: their lines would bury the others. */
const QUIET_ROUTES = /^\/(health(\/.*)?|metrics)$/;
const random = createPooledRandom();
const PATH_LENGTH_MAX = 256;
const TRACESTATE = /^[\x20-\x7e]{1,512}$/;
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/**
 * Begins the request's span, names it in the answer's headers, and promises one log line and one measurement when the
 * answer is written or the client is gone, whichever comes first.
 */
export function beginRequest(request: FastifyRequest, reply: FastifyReply, telemetry: Telemetry): void {
  const trace = incomingTrace(request);
  const startedMs = telemetry.clock.monotonicMs();
  const logger = telemetry.logger.child({
    'log.logger': 'http',
    'trace.id': trace.traceId,
    'span.id': trace.spanId,
    'http.request.id': trace.requestId,
    'http.request.method': request.method,
    'url.path': pathOf(request.url),
  });
  request.context = { trace, logger, userId: undefined, token: undefined, failure: undefined, readSource: undefined };
  reply.headers({
    'x-request-id': trace.requestId,
    traceresponse: formatTraceparent(trace),
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  });

  let ended = false;
  const end = (answered: boolean): void => {
    if (ended) return;
    ended = true;
    reportRequest(request, reply, telemetry, { answered, seconds: (telemetry.clock.monotonicMs() - startedMs) / 1000 });
  };
  reply.raw.once('finish', () => end(true));
  reply.raw.once('close', () => end(false));
}

/** The caller's trace when it is well-formed, else a new one; its request id when it is sane, else a new one. */
function incomingTrace(request: FastifyRequest): TraceContext {
  const requestId = single(request.headers['x-request-id']);
  const tracestate = single(request.headers['tracestate']);
  return startTrace(
    {
      traceparent: single(request.headers['traceparent']),
      tracestate: tracestate !== undefined && TRACESTATE.test(tracestate) ? tracestate : undefined,
      requestId: requestId !== undefined && REQUEST_ID.test(requestId) ? requestId : randomUUID(),
    },
    random,
  );
}

function single(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined;
}

/** Without the query string: it may hold what no log should. */
function pathOf(url: string): string {
  const end = url.search(/[?#;]/);
  return (end < 0 ? url : url.slice(0, end)).slice(0, PATH_LENGTH_MAX);
}

interface RequestEnd {
  /** False: the connection closed before the answer was written. */
  readonly answered: boolean;
  readonly seconds: number;
}

function reportRequest(request: FastifyRequest, reply: FastifyReply, telemetry: Telemetry, { answered, seconds }: RequestEnd): void {
  const { context } = request;
  // 499 is the custom of proxies for a client that did not wait for its answer.
  const status = answered ? reply.raw.statusCode : 499;
  const route = request.routeOptions.url ?? 'unmatched';
  telemetry.metrics.count('millrace_http_requests_total', { method: request.method, route, status: status.toString() });
  telemetry.metrics.observe('millrace_http_request_duration_seconds', { method: request.method, route }, seconds);
  const fields = {
    'http.response.status_code': status,
    'event.duration': Math.round(seconds * 1e9),
    'http.route': route,
    'user.id': context.userId,
    'read.source': context.readSource,
  };
  if (status >= 500) context.logger.error(fields, 'request failed', context.failure);
  else if (QUIET_ROUTES.test(route) && status < 400) context.logger.debug(fields, 'request answered');
  else context.logger.info(fields, answered ? 'request answered' : 'client left before the answer');
}
