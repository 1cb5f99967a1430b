import type { FastifyInstance } from 'fastify';
import { HttpProblem } from './problem.ts';

/**
 * Refuses work beyond `max` requests in hand with 503, before anything is done for it: while a database is slow, requests
 * must not pile up until the process has no memory left. Health and metrics are not part of it.
 */
export function limitInFlight(app: FastifyInstance, max: number): void {
  let inFlight = 0;
  app.addHook('onRequest', async (_request, reply) => {
    if (inFlight >= max) {
      throw new HttpProblem('unavailable', {
        detail: 'Too many requests are in hand. Send it again later, with the same Idempotency-Key if it had one.',
        headers: { 'retry-after': '1' },
      });
    }
    inFlight += 1;
    // An answer ends with `finish`, a client that leaves only with `close`.
    let counted = true;
    const leave = (): void => {
      if (counted) inFlight -= 1;
      counted = false;
    };
    reply.raw.once('finish', leave);
    reply.raw.once('close', leave);
  });
}
