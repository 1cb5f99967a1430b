import { createHash } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { spreadLives } from './spread-lives.ts';
import type { TokenVerifier, VerifiedToken } from './verify-token.ts';

export interface RememberedTokensOptions {
  readonly entriesMax: number;
  /** A key that its issuer has taken back is used so much longer at most. */
  readonly rememberedForMs: number;
  /** A longer token is checked each time: the memory is bounded in bytes, too. */
  readonly lengthMax: number;
}

const REMEMBERED_TOKENS: RememberedTokensOptions = { entriesMax: 10_000, rememberedForMs: 60_000, lengthMax: 4_096 };

type ValidToken = Extract<VerifiedToken, { readonly kind: 'valid' }>;

interface Entry {
  readonly verified: ValidToken;
  /** By the monotonic clock. */
  readonly untilMs: number;
  /** By the wall clock, as the token says it. */
  readonly expiresAtMs: number;
}

/**
 * Checks the signature of a token every half to whole minute and not at each request: a gateway asks for the same few thousand tokens all the
 * time, and the check costs more than the rest of the answer. Only good tokens are remembered, so that nobody fills the
 * memory with made-up ones, and by their hash, so that it holds no token. Whether a token was given back is asked elsewhere, at each request.
 */
export function rememberTokens(
  verify: TokenVerifier,
  clock: Clock,
  { entriesMax, rememberedForMs, lengthMax }: RememberedTokensOptions = REMEMBERED_TOKENS,
): TokenVerifier {
  /** In order of use, the least recently used first. */
  const entries = new Map<string, Entry>();
  const liveMs = spreadLives(rememberedForMs);

  const remember = (name: string, verified: ValidToken): void => {
    const untilMs = clock.monotonicMs() + liveMs();
    entries.set(name, { verified, untilMs, expiresAtMs: Date.parse(verified.claims.expiresAt) });
    const oldest = entries.keys().next();
    if (entries.size > entriesMax && oldest.done !== true) entries.delete(oldest.value);
  };

  return async (token) => {
    if (token.length > lengthMax) return verify(token);
    const name = createHash('sha256').update(token).digest('base64');
    const entry = entries.get(name);
    entries.delete(name);
    if (entry !== undefined && clock.monotonicMs() < entry.untilMs && clock.nowMs() < entry.expiresAtMs) {
      entries.set(name, entry);
      return entry.verified;
    }
    const verified = await verify(token);
    if (verified.kind === 'valid') remember(name, verified);
    return verified;
  };
}
