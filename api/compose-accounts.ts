import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import { v5 } from 'uuid';
import { ACCESS_TOKEN_SECONDS } from '../core/access-token.ts';
import type { Clock } from '../core/clock.ts';
import type { TraceContext } from '../core/trace.ts';
import { logIn } from '../processors/auth/log-in.ts';
import { registerUser } from '../processors/auth/register-user.ts';
import type { Connections } from '../runtime/connections.ts';
import { exchangeRefreshHash, forgetExpiredSessions, readPasswordHash } from '../runtime/postgres/auth-sessions.ts';
import { executeCommand } from '../runtime/postgres/command-handler.ts';
import { sessionRevocation } from '../runtime/postgres/revocations.ts';
import { hashPassword, isPassword } from './password-hash.ts';
import type { Accounts, Revocations, Tokens } from './ports.ts';
import type { SignToken } from './sign-token.ts';

const REFRESH_MS = 14 * 86_400_000;
/** Never changes: a user is found by the hash of the e-mail address. */
const USER_NAMESPACE = '0b7c1f52-4d1e-5a2c-8e0f-6f2f9d3a7b14';
const PROVIDER = 'local';

export interface AccountOptions {
  readonly signToken: SignToken;
  /** Keys the hashes of e-mail and client addresses: without it nobody can try addresses against them. */
  readonly hashSecret: string;
  /** Told of a session that ended because two hold its refresh token. */
  readonly revocations: Pick<Revocations, 'refuse'>;
  readonly clock: Clock;
}

/** Users who prove to be one with a password, and their sessions, in the auth domain's database. */
export function composeAccounts(
  connections: Pick<Connections, 'database' | 'unitOfWork'>,
  { signToken, hashSecret, revocations, clock }: AccountOptions,
): Accounts {
  const hashed = (text: string): string => createHmac('sha256', hashSecret).update(text).digest('hex');
  const emailHashOf = (email: string): string => hashed(`email:${email.trim().toLowerCase()}`);
  const database = () => connections.database('auth');
  // Somebody unknown is checked as slowly as somebody known, so that the time does not tell them apart.
  const nobody = hashPassword(randomUUID());

  const tokens = async (sessionId: string, userId: string, permissions: readonly string[], secret: string): Promise<Tokens> => ({
    userId,
    sessionId,
    accessToken: await signToken({ userId, sessionId, permissions }, clock.nowMs()),
    expiresInSeconds: ACCESS_TOKEN_SECONDS,
    refreshToken: `${sessionId}.${secret}`,
  });

  return {
    async register({ email, password }, trace) {
      const email_hash = emailHashOf(email);
      const user_id = v5(email_hash, USER_NAMESPACE);
      const command = { user_id, provider: PROVIDER, email_hash, password_hash: await hashPassword(password) };
      const outcome = await executeCommand(connections.unitOfWork('auth'), registerUser, command, { trace });
      return outcome.kind === 'accepted' ? user_id : undefined;
    },

    async logIn({ email, password, address, userAgent }, trace: TraceContext) {
      const user_id = v5(emailHashOf(email), USER_NAMESPACE);
      const stored = await readPasswordHash(database(), user_id);
      const known = await isPassword(password, stored ?? (await nobody));
      if (stored === undefined || !known) return undefined;
      await forgetExpiredSessions(database(), user_id);
      const session_id = randomUUID();
      const secret = newSecret();
      const command = {
        ...{ user_id, session_id, ip_hash: hashed(`address:${address}`), user_agent: userAgent },
        ...{ refresh_hash: sha256(secret), expires_at: new Date(clock.nowMs() + REFRESH_MS).toISOString() },
      };
      const outcome = await executeCommand(connections.unitOfWork('auth'), logIn, command, { trace });
      if (outcome.kind !== 'accepted') return undefined;
      const { permissions } = outcome.result as { readonly permissions: readonly string[] };
      return tokens(session_id, user_id, permissions, secret);
    },

    async refresh(refreshToken) {
      const [, sessionId, present] = /^([0-9a-f-]{36})\.([\w-]{43})$/.exec(refreshToken) ?? [];
      if (sessionId === undefined || present === undefined) return undefined;
      const next = newSecret();
      const exchanged = await exchangeRefreshHash(database(), sessionId, { present: sha256(present), next: sha256(next) });
      if (exchanged.kind === 'exchanged') return tokens(sessionId, exchanged.session.userId, exchanged.session.permissions, next);
      if (exchanged.kind === 'reused') await revocations.refuse([sessionRevocation(sessionId, clock.nowMs())]);
      return undefined;
    },
  };
}

function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** Enough for a secret of 256 random bits. */
function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
