/** How long an access token that is signed here is good. */
export const ACCESS_TOKEN_SECONDS = 3_600;

/** A verifier takes a token for some seconds longer, and clocks differ: for so long a revocation outlives what it refuses. */
export const REVOCATION_SLACK_MS = 60_000;

/** What refuses tokens before their time: the token itself was given back, or its session is over. */
export interface Revocation {
  readonly of: 'token' | 'session';
  /** The token's `jti`, or the session's `sid`. */
  readonly id: string;
  /** Of a session, tokens that were issued later are not meant: whoever signs them says that it goes on. Milliseconds since 1970. */
  readonly revokedAtMs: number;
  /** When nothing is left to refuse. Milliseconds since 1970. */
  readonly untilMs: number;
}

/** What follows from a logout: the token is refused until it expires, and so is every other one that its session has. */
export function revocationsOfLogOut(
  loggedOut: { readonly jti: string; readonly expires_at: string; readonly session_id?: string | null },
  occurredAt: string,
): readonly Revocation[] {
  const revokedAtMs = Date.parse(occurredAt);
  const expiresAtMs = Date.parse(loggedOut.expires_at);
  // Another writer's nonsense must not end as a key that stays for ever; such a token is refused for as long as ours live.
  const ownUntilMs = revokedAtMs + ACCESS_TOKEN_SECONDS * 1000 + REVOCATION_SLACK_MS;
  const untilMs = Number.isNaN(expiresAtMs) ? ownUntilMs : expiresAtMs + REVOCATION_SLACK_MS;
  const { jti, session_id: sessionId = null } = loggedOut;
  const token: Revocation = { of: 'token', id: jti, revokedAtMs, untilMs };
  if (sessionId === null) return [token];
  // A token that was issued a moment before the logout lives longer than the one that was given back.
  return [token, { of: 'session', id: sessionId, revokedAtMs, untilMs: Math.max(untilMs, ownUntilMs) }];
}
