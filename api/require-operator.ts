import type { FastifyRequest } from 'fastify';
import { HttpProblem } from './problem.ts';

/** The permission of those who run the deployment. */
export const OPERATOR = 'operator';

/** @throws HttpProblem 403 when the caller's token does not say that it is an operator's. */
export function requireOperator(request: FastifyRequest): void {
  const { token } = request.context;
  if (token === undefined) throw new Error('a route was reached without authentication');
  if (!token.permissions.includes(OPERATOR)) throw new HttpProblem('forbidden', { detail: `It needs the permission ${OPERATOR}.` });
}
