import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { TSchema } from 'typebox';
import { commonProblems, TRACE_HEADERS } from './api-route.ts';
import { IdempotencyKey, requestHash, scopedIdempotencyKey } from './idempotency-key.ts';
import type { CommandOutcome, CommandRequest } from './ports.ts';
import type { ProblemKind } from './problem.ts';
import { HttpProblem } from './problem.ts';
import { userOf } from './user-of.ts';

/** What every command of an authenticated user understands, answers and refuses alike. */
export const COMMAND_HEADERS = Type.Object({ ...TRACE_HEADERS, 'idempotency-key': Type.Optional(IdempotencyKey) });

export const TraceId = Type.String({ description: 'Finds every step of the flow, from this request to the last log line' });

export const ANSWER_HEADERS = {
  traceresponse: { type: 'string', description: 'W3C Trace Context: the trace and span of this request' },
  'x-request-id': { type: 'string' },
  'idempotency-replayed': { type: 'string', description: '`true` when this is the first answer again' },
};

export function commandProblems(...more: readonly ProblemKind[]): Readonly<Record<string, TSchema>> {
  return commonProblems('idempotency-key-reused', ...more);
}

export function bodyProblems(...more: readonly ProblemKind[]): Readonly<Record<string, TSchema>> {
  return commandProblems('malformed-request', 'body-too-large', 'unsupported-media-type', ...more);
}

/** Who commands, and what makes two requests the same one: route, user and key name it, path, query and body are it. */
export function commandRequest(request: FastifyRequest): CommandRequest {
  const userId = userOf(request);
  const key = request.headers['idempotency-key'];
  const { url = '' } = request.routeOptions;
  const route = request.method === 'POST' ? url : `${request.method} ${url}`;
  return {
    userId,
    idempotencyKey: typeof key === 'string' ? scopedIdempotencyKey(route, userId, key) : undefined,
    requestHash: requestHash(identityOf(request)),
  };
}

function identityOf({ params, query, body }: FastifyRequest): unknown {
  const isEmpty = (part: unknown): boolean => typeof part !== 'object' || part === null || Object.keys(part).length === 0;
  return isEmpty(params) && isEmpty(query) ? (body ?? null) : { params, query, body: body ?? null };
}

/** The answer of a command that took effect, now or when its key was first used. @throws HttpProblem for every other outcome. */
export function acceptedAnswer<A>(reply: FastifyReply, outcome: CommandOutcome<A>): A {
  switch (outcome.kind) {
    case 'accepted':
      return outcome.answer;
    case 'repeated':
      reply.header('idempotency-replayed', 'true');
      return outcome.answer;
    case 'mismatch':
      throw new HttpProblem('idempotency-key-reused', { detail: 'Use a new key for a new request, or the same body for a repetition.' });
    case 'rejected': {
      const kind = outcome.reason.endsWith('_not_found') ? 'resource-not-found' : 'refused';
      throw new HttpProblem(kind, { detail: outcome.detail, reason: outcome.reason });
    }
  }
}
