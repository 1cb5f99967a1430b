import type { KnownUsers } from './known-users.ts';
import type { Revocations } from './ports.ts';
import { HttpProblem } from './problem.ts';
import type { TokenClaims, TokenVerifier } from './verify-token.ts';

export interface Caller {
  readonly userId: string;
  readonly claims: TokenClaims;
}

/** What a token is worth now. `revoked`: it was given back, or its session is over; who it was is still said. */
export type InspectedToken =
  | ({ readonly kind: 'active' | 'revoked' } & Caller)
  | { readonly kind: 'expired' }
  | { readonly kind: 'invalid' }
  | { readonly kind: 'unknown-user' };

export type InspectToken = (token: string) => Promise<InspectedToken>;

export interface AuthenticateOptions {
  /** For giving a token back once more. */
  readonly acceptRevoked?: boolean | undefined;
}

/** Resolves with who asks. Rejects with a 401 problem that says how to authenticate, and never why a key did not fit. */
export type Authenticate = (authorization: string | undefined, options?: AuthenticateOptions) => Promise<Caller>;

const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

/** The token is checked before anything is looked up, so that nobody without a token can ask who exists. */
export function createTokenInspector(verify: TokenVerifier, revocations: Pick<Revocations, 'isRevoked'>, users: KnownUsers): InspectToken {
  return async (token) => {
    const verified = await verify(token);
    if (verified.kind !== 'valid') return verified;
    const { userId, claims } = verified;
    const [isRevoked, isKnown] = await Promise.all([revocations.isRevoked(claims), users.isKnown(userId)]);
    if (!isKnown) return { kind: 'unknown-user' };
    return { kind: isRevoked ? 'revoked' : 'active', userId, claims };
  };
}

export function createAuthenticate(inspect: InspectToken): Authenticate {
  return async (authorization, { acceptRevoked = false } = {}) => {
    const inspected = await inspect(bearerToken(authorization));
    switch (inspected.kind) {
      case 'active':
        return inspected;
      case 'revoked':
        if (acceptRevoked) return inspected;
        throw unauthenticated('The token was given back.', 'invalid_token');
      case 'expired':
        throw unauthenticated('The token has expired.', 'invalid_token');
      case 'invalid':
        throw unauthenticated('The token is not valid here.', 'invalid_token');
      case 'unknown-user':
        throw unauthenticated('The token names a user who is not known.', 'invalid_token');
    }
  };
}

/** @throws HttpProblem when the header holds none. */
export function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined || authorization === '') throw unauthenticated('Send Authorization: Bearer with a token.');
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) throw unauthenticated('The Authorization header must hold one Bearer token.', 'invalid_request');
  return token;
}

function unauthenticated(detail: string, error?: 'invalid_request' | 'invalid_token'): HttpProblem {
  const reason = error === undefined ? '' : `, error="${error}", error_description="${detail}"`;
  return new HttpProblem('unauthenticated', { detail, headers: { 'www-authenticate': `Bearer realm="millrace"${reason}` } });
}
