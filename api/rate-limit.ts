import rateLimit, { normalizeIP } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HttpProblem } from './problem.ts';

/** Requests per minute, per user and class; a caller without a valid token counts by its address. 0 switches a class off. */
export interface RateLimits {
  readonly commandsPerMinute: number;
  readonly queriesPerMinute: number;
}

export const RATE_LIMITS: RateLimits = { commandsPerMinute: 100, queriesPerMinute: 300 };

export type RateClass = 'command' | 'query';

/** Counts the request; rejects with a 429 problem when the caller has used up its share of the minute. */
export type LimitRate = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

const WINDOW_MS = 60_000;
const CALLERS_REMEMBERED = 50_000;

/**
 * The counts are kept in the process: they go on working while Redis is away, and N processes allow N times as much.
 * Memory is bounded by the number of callers remembered, the least recently seen forgotten first.
 */
export async function createRateLimits(app: FastifyInstance, limits: RateLimits): Promise<Readonly<Record<RateClass, LimitRate>>> {
  await app.register(rateLimit, { global: false });
  return { command: limiter(app, limits.commandsPerMinute), query: limiter(app, limits.queriesPerMinute) };
}

function limiter(app: FastifyInstance, max: number): LimitRate {
  if (max === 0) return async () => undefined;
  const options = { max, timeWindow: WINDOW_MS, keyGenerator: callerOf, cache: CALLERS_REMEMBERED };
  const count = app.createRateLimit(options);
  return async (request, reply) => {
    const counted = await count(request);
    if (counted.isAllowed) return;
    reply.headers({
      'ratelimit-limit': counted.max,
      'ratelimit-remaining': counted.remaining,
      'ratelimit-reset': counted.ttlInSeconds,
    });
    if (!counted.isExceeded) return;
    throw new HttpProblem('rate-limited', {
      detail: 'Wait as long as Retry-After says.',
      headers: { 'retry-after': Math.max(1, counted.ttlInSeconds).toString() },
    });
  };
}

function callerOf(request: FastifyRequest): string {
  const { userId } = request.context;
  return userId === undefined ? `address:${normalizeIP(request.ip)}` : `user:${userId}`;
}
