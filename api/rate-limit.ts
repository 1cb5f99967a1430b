import rateLimit, { normalizeIP } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HttpProblem } from './problem.ts';

/** Requests per minute, per user and class; a caller without a valid token counts by its address. 0 switches a class off. */
export interface RateLimits {
  readonly commandsPerMinute: number;
  readonly queriesPerMinute: number;
}

export const RATE_LIMITS: RateLimits = { commandsPerMinute: 100, queriesPerMinute: 300 };

/** Attempts of an address to sign in, per minute: guessing must not pay. */
const SIGN_INS_PER_MINUTE = 20;

export type RateClass = 'command' | 'query' | 'sign-in' | 'unlimited';

/** Counts the request; rejects with a 429 problem when the caller has used up its share of the minute. */
export type LimitRate = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

const WINDOW_MS = 60_000;
const CALLERS_REMEMBERED = 50_000;

/**
 * The counts are kept in the process: they go on working while Redis is away, and N processes allow N times as much.
 * Memory is bounded by the number of callers remembered, the least recently seen forgotten first.
 */
export async function createRateLimits(app: FastifyInstance, limits: RateLimits): Promise<Readonly<Record<RateClass, LimitRate>>> {
  await app.register(rateLimit, { global: false, store: CountingStore });
  return {
    command: limiter(app, limits.commandsPerMinute),
    query: limiter(app, limits.queriesPerMinute),
    unlimited: limiter(app, 0),
    'sign-in': limiter(app, Math.min(limits.commandsPerMinute, SIGN_INS_PER_MINUTE)),
  };
}

function limiter(app: FastifyInstance, max: number): LimitRate {
  if (max === 0) return async () => undefined;
  const options = { max, timeWindow: WINDOW_MS, keyGenerator: callerOf };
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

interface Count {
  count: number;
  readonly begunMs: number;
}

/**
 * The library's own store hands out one counter that goes on counting, so that requests which arrive together all read the
 * last one's number; this one answers each with its own. Fixed windows; the callers whose window began first are forgotten first.
 */
class CountingStore {
  private readonly counts = new Map<string, Count>();

  incr(caller: string, answer: (error: Error | null, result: { current: number; ttl: number }) => void, windowMs: number): void {
    const nowMs = performance.now();
    const known = this.counts.get(caller);
    const current = known !== undefined && known.begunMs + windowMs > nowMs ? known : { count: 0, begunMs: nowMs };
    current.count += 1;
    if (current !== known) {
      this.counts.delete(caller);
      this.counts.set(caller, current);
      this.forgetOldest();
    }
    answer(null, { current: current.count, ttl: current.begunMs + windowMs - nowMs });
  }

  child(): CountingStore {
    return new CountingStore();
  }

  private forgetOldest(): void {
    if (this.counts.size <= CALLERS_REMEMBERED) return;
    const oldest = this.counts.keys().next();
    if (oldest.done !== true) this.counts.delete(oldest.value);
  }
}
