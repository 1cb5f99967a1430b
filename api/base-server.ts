import { randomUUID } from 'node:crypto';
import fastify from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AllowedMethods } from './allowed-methods.ts';
import { answerClientError } from './client-error.ts';
import { problemOf } from './problem-of.ts';
import { HttpProblem, PROBLEM_CONTENT_TYPE, problemBody } from './problem.ts';
import { beginRequest } from './request-context.ts';
import type { Telemetry } from './request-context.ts';
import { validatorCompiler } from './validation.ts';

export interface BaseServerOptions extends Telemetry {
  readonly bodyBytesMax: number;
  /** The client's address is the one that the proxy in front names (X-Forwarded-For). Only behind a proxy that sets it. */
  readonly trustProxy: boolean;
  /** A request must have arrived within this time. */
  readonly requestTimeoutMs: number;
  /** A request must be answered within this time; a caller that gets 503 for it may repeat with its Idempotency-Key. */
  readonly handlerTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** True from the moment a stop begins: the answers then tell their clients not to come back on the same connection. */
  readonly isStopping: () => boolean;
}

/**
 * Fastify with the manners of this API and without a route: every request has a trace, one log line and one measurement,
 * and every failure is a problem+json, also those that happen before or beside a route.
 */
export function createBaseServer(options: BaseServerOptions): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: options.bodyBytesMax,
    trustProxy: options.trustProxy,
    connectionTimeout: 0,
    // Node looks for overdue requests every 30 seconds by itself; slow senders are cheap, so it looks more often.
    http: { connectionsCheckingInterval: 1_000, headersTimeout: options.requestTimeoutMs },
    requestTimeout: options.requestTimeoutMs,
    handlerTimeout: options.handlerTimeoutMs,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    // A request on a connection that is still open while the server stops is answered as any other, and closes it.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    genReqId: () => randomUUID(),
    clientErrorHandler: (error, socket) => answerClientError(error, socket, options),
    frameworkErrors: (error, request, reply) => {
      beginRequest(request, reply, options);
      answerProblem(error, request, reply);
    },
  });
  app.removeContentTypeParser('text/plain');
  app.setValidatorCompiler(validatorCompiler);
  app.addHook('onRequest', async (request, reply) => beginRequest(request, reply, options));
  app.addHook('onSend', async (_request, reply) => {
    if (options.isStopping()) reply.header('connection', 'close');
  });
  app.setErrorHandler((error, request, reply) => answerProblem(error, request, reply));
  answerUnknownRoutes(app);
  return app;
}

function answerProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = problemOf(thrown);
  request.context.failure = problem.cause ?? problem;
  void reply
    .code(problem.status)
    .headers(problem.headers)
    .type(PROBLEM_CONTENT_TYPE)
    .serializer((text: string) => text)
    .send(problemBody(problem, request.context.trace));
}

function answerUnknownRoutes(app: FastifyInstance): void {
  const allowed = new AllowedMethods();
  app.addHook('onRoute', (route) => allowed.add(route.url, [route.method].flat()));
  app.setNotFoundHandler((request) => {
    const methods = allowed.of(request.url.split('?', 1)[0] ?? '');
    if (methods.length === 0) throw new HttpProblem('not-found', { detail: 'The API has no such path; /openapi.json lists them.' });
    throw new HttpProblem('method-not-allowed', {
      detail: `Allowed: ${methods.join(', ')}.`,
      headers: { allow: methods.join(', ') },
    });
  });
}
