import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Type } from 'typebox';
import type { TSchema } from 'typebox';
import { problemAnswers } from './problem-answers.ts';
import type { ProblemKind } from './problem.ts';
import type { RateClass } from './rate-limit.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Which rate limit counts the route's requests. */
    readonly rateClass?: RateClass;
    /** Answered without a token; counted by the caller's address. */
    readonly isPublic?: boolean;
    /** Answered also for a token that was given back. */
    readonly acceptsRevokedToken?: boolean;
  }
}

/** The server as the API's routes see it: request parts are typed by their schemas. */
export type ApiServer = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>;

/** What every operation under /api/v1 may answer. */
const COMMON: readonly ProblemKind[] = ['invalid-request', 'unauthenticated', 'rate-limited', 'internal', 'unavailable'];

export function commonProblems(...more: readonly ProblemKind[]): Readonly<Record<string, TSchema>> {
  return problemAnswers(...COMMON, ...more);
}

/** Headers that every operation understands; malformed ones are ignored, tracing must not refuse work. */
export const TRACE_HEADERS = {
  'x-request-id': Type.Optional(Type.String({ description: 'Your name for the request, 1 to 128 visible ASCII characters; comes back' })),
  traceparent: Type.Optional(Type.String({ description: 'W3C Trace Context: the trace to go on with' })),
  tracestate: Type.Optional(Type.String({ description: 'W3C Trace Context' })),
};

export const SECURED = [{ bearer: [] }];

export const Timestamp = Type.String({ format: 'date-time', description: 'ISO 8601, UTC' });
export const Uuid = Type.String({ format: 'uuid' });

/** A success answer with what the OpenAPI document says of it. */
export function described<T extends TSchema>(schema: T, description: string, headers?: Readonly<Record<string, object>>): T {
  return { ...schema, description, ...(headers === undefined ? {} : { headers }) };
}
