import type { FastifyRequest } from 'fastify';

/** The authenticated user of a request. Every route under /api/v1 authenticates first, so a missing one is our bug. */
export function userOf(request: FastifyRequest): string {
  const { userId } = request.context;
  if (userId === undefined) throw new Error('a route was reached without authentication');
  return userId;
}
