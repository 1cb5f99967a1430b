import type { KnownUsers } from './known-users.ts';
import { HttpProblem } from './problem.ts';
import type { TokenClaims, TokenVerifier } from './verify-token.ts';

/** Resolves with who asks. Rejects with a 401 problem that says how to authenticate, and never why a key did not fit. */
export type Authenticate = (authorization: string | undefined) => Promise<Caller>;

export interface Caller {
  readonly userId: string;
  readonly claims: TokenClaims;
}

const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

/** The token is checked before the user is looked up, so that nobody without a token can ask who exists. */
export function createAuthenticate(verify: TokenVerifier, users: KnownUsers): Authenticate {
  return async (authorization) => {
    if (authorization === undefined || authorization === '') throw unauthenticated('Send Authorization: Bearer with a token.');
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) throw unauthenticated('The Authorization header must hold one Bearer token.', 'invalid_request');
    const verified = await verify(token);
    if (verified.kind === 'expired') throw unauthenticated('The token has expired.', 'invalid_token');
    if (verified.kind === 'invalid') throw unauthenticated('The token is not valid here.', 'invalid_token');
    if (!(await users.isKnown(verified.userId))) throw unauthenticated('The token names a user who is not known.', 'invalid_token');
    return { userId: verified.userId, claims: verified.claims };
  };
}

function unauthenticated(detail: string, error?: 'invalid_request' | 'invalid_token'): HttpProblem {
  const reason = error === undefined ? '' : `, error="${error}", error_description="${detail}"`;
  return new HttpProblem('unauthenticated', { detail, headers: { 'www-authenticate': `Bearer realm="millrace"${reason}` } });
}
