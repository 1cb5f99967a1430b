import { createLocalJWKSet, createRemoteJWKSet, errors, importSPKI, jwtVerify } from 'jose';
import type { CryptoKey, JWTPayload, JWTVerifyGetKey } from 'jose';
import type { Clock } from '../core/clock.ts';
import { ClassifiedError, classified } from '../core/errors.ts';

/**
 * How tokens are checked. Each kind pins one algorithm: the token's own header never chooses it. The development secret
 * lets everybody who knows it be anybody, and exists for machines of developers only.
 */
export type TokenKeys =
  | { readonly kind: 'jwks'; readonly url: string }
  | { readonly kind: 'public-key'; readonly pem: string }
  | { readonly kind: 'development-secret'; readonly secret: string };

export interface TokenOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: TokenKeys;
}

/** What a token says beside who its user is. */
export interface TokenClaims {
  /** `jti`: names the token. */
  readonly tokenId: string | undefined;
  /** `sid`: the session that it belongs to. */
  readonly sessionId: string | undefined;
  /** ISO 8601, UTC. */
  readonly expiresAt: string;
  /** Milliseconds since 1970. */
  readonly issuedAtMs: number | undefined;
  /** What its user may do beyond what everybody may. */
  readonly permissions: readonly string[];
}

export type VerifiedToken =
  | { readonly kind: 'valid'; readonly userId: string; readonly claims: TokenClaims }
  | { readonly kind: 'expired' }
  | { readonly kind: 'invalid' };

/** Rejects with CALL_UNAVAILABLE when the keys cannot be had and were never known. */
export type TokenVerifier = (token: string) => Promise<VerifiedToken>;

const CLOCK_TOLERANCE_SECONDS = 5;
const SECRET_BYTES_MIN = 32;

/**
 * A user id becomes part of record keys (64 characters in the outbox) and of keys of Redis, where `:` and braces have a
 * meaning: an id that holds one could read as another user's.
 */
const USER_ID = /^[A-Za-z0-9._~@|+=-]{1,64}$/;

export function isUserId(text: string): boolean {
  return USER_ID.test(text);
}

/** @throws ClassifiedError CONFIGURATION_INVALID when the key cannot be read. */
export async function createTokenVerifier(options: TokenOptions, clock: Clock): Promise<TokenVerifier> {
  const algorithm = options.keys.kind === 'development-secret' ? 'HS256' : 'RS256';
  const key = await keyOf(options.keys, clock);
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [algorithm],
        issuer: options.issuer,
        audience: options.audience,
        requiredClaims: ['sub', 'exp'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(clock.nowMs()),
      });
      // The library promises a text, and lets through whatever JSON holds.
      const subject: unknown = payload.sub;
      return typeof subject === 'string' && isUserId(subject)
        ? { kind: 'valid', userId: subject, claims: claimsOf(payload) }
        : { kind: 'invalid' };
    } catch (error) {
      if (error instanceof errors.JWTExpired) return { kind: 'expired' };
      if (error instanceof errors.JOSEError) return { kind: 'invalid' };
      // Not the token's fault: the keys are away, or are not what RS256 needs.
      throw classified(error, 'CONFIGURATION_INVALID', 'the keys for tokens cannot be used');
    }
  };
}

const ID_LENGTH_MAX = 64;
/** The last second of the year 9999: what lies behind it no date of ours can say. */
const END_OF_TIME_SECONDS = 253_402_300_799;

function claimsOf(payload: JWTPayload): TokenClaims {
  const id = (value: unknown): string | undefined =>
    typeof value === 'string' && value !== '' && value.length <= ID_LENGTH_MAX ? value : undefined;
  const { permissions } = payload;
  return {
    tokenId: id(payload.jti),
    sessionId: id(payload['sid']),
    expiresAt: new Date(Math.min(payload.exp ?? 0, END_OF_TIME_SECONDS) * 1000).toISOString(),
    issuedAtMs: payload.iat === undefined ? undefined : payload.iat * 1000,
    permissions: Array.isArray(permissions) ? permissions.filter((permission) => typeof permission === 'string') : [],
  };
}

async function keyOf(keys: TokenKeys, clock: Clock): Promise<JWTVerifyGetKey> {
  switch (keys.kind) {
    case 'jwks':
      return remoteKeys(new URL(keys.url), clock);
    case 'public-key': {
      const key = await publicKey(keys.pem);
      return async () => key;
    }
    case 'development-secret': {
      const secret = new TextEncoder().encode(keys.secret);
      if (secret.length < SECRET_BYTES_MIN) {
        throw new ClassifiedError('CONFIGURATION_INVALID', `the development secret has fewer than ${SECRET_BYTES_MIN} bytes`);
      }
      return async () => secret;
    }
  }
}

async function publicKey(pem: string): Promise<CryptoKey> {
  try {
    return await importSPKI(pem, 'RS256');
  } catch (error) {
    throw new ClassifiedError('CONFIGURATION_INVALID', 'the public key for tokens is not an RSA key in PEM (SPKI)', { cause: error });
  }
}

const ISSUER_TIMEOUT_MS = 3_000;
const ISSUER_COOLDOWN_MS = 30_000;
const ISSUER_KEYS_KEPT_MS = 600_000;
/** After a failed fetch the issuer is left alone for this long, so that requests do not queue up behind it. */
const ISSUER_AWAY_MS = 5_000;

/**
 * Keys from the issuer, kept for ten minutes and fetched early for an unknown key id. When the issuer is away the last
 * keys go on being used: its outage must not sign everybody out.
 */
function remoteKeys(url: URL, clock: Clock): JWTVerifyGetKey {
  const remote = createRemoteJWKSet(url, {
    timeoutDuration: ISSUER_TIMEOUT_MS,
    cooldownDuration: ISSUER_COOLDOWN_MS,
    cacheMaxAge: ISSUER_KEYS_KEPT_MS,
  });
  let awayUntilMs = -Infinity;
  let awayCause: unknown;

  const lastKnown: JWTVerifyGetKey = async (header, token) => {
    const last = remote.jwks();
    if (last !== undefined) return createLocalJWKSet(last)(header, token);
    throw new ClassifiedError('CALL_UNAVAILABLE', 'the keys of the token issuer cannot be fetched', { cause: awayCause });
  };

  return async (header, token) => {
    if (clock.monotonicMs() < awayUntilMs) return lastKnown(header, token);
    try {
      return await remote(header, token);
    } catch (error) {
      if (isAboutTheToken(error)) throw error;
      awayCause = error;
      awayUntilMs = clock.monotonicMs() + ISSUER_AWAY_MS;
      return lastKnown(header, token);
    }
  };
}

/** The keys are there, and none fits this token. */
function isAboutTheToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}
