import { ACCESS_TOKEN_SECONDS, REVOCATION_SLACK_MS } from '../../core/access-token.ts';
import type { Database } from './database.ts';

/** Undefined: no such user, or one without a password. Rejects with POSTGRES_UNAVAILABLE. */
export async function readPasswordHash(database: Database, userId: string): Promise<string | undefined> {
  const sql = 'SELECT password_hash FROM auth.credentials WHERE user_id = $1';
  const [row] = await database.query<{ password_hash: string }>(sql, [userId]);
  return row?.password_hash;
}

interface RefreshedSession {
  readonly userId: string;
  readonly permissions: readonly string[];
}

/** `reused`: the token was exchanged before, and its session is over now, because two hold it. */
export type ExchangedSession = { readonly kind: 'exchanged'; readonly session: RefreshedSession } | { readonly kind: 'refused' | 'reused' };

/**
 * Exchanges the hash of a session's refresh token for the next one's. Refused when the session is over or the token is
 * not its own; a token that was exchanged before ends the session and revokes its tokens. Rejects with POSTGRES_UNAVAILABLE.
 */
export async function exchangeRefreshHash(
  database: Database,
  sessionId: string,
  hashes: { readonly present: string; readonly next: string },
): Promise<ExchangedSession> {
  const [row] = await database.query<{ user_id: string; permissions: string[] }>(
    `UPDATE auth.sessions AS s SET refresh_hash = $3, last_hash = s.refresh_hash FROM auth.users AS u
      WHERE s.session_id = $1 AND s.refresh_hash = $2 AND s.ended_at IS NULL AND s.expires_at > now() AND u.user_id = s.user_id
      RETURNING s.user_id, u.permissions`,
    [sessionId, hashes.present, hashes.next],
  );
  if (row !== undefined) return { kind: 'exchanged', session: { userId: row.user_id, permissions: row.permissions } };
  const ended = await database.query(
    `WITH ended AS (
       UPDATE auth.sessions SET ended_at = now() WHERE session_id = $1 AND last_hash = $2 AND ended_at IS NULL RETURNING session_id)
     INSERT INTO auth.revocations (kind, id, revoked_at, expires_at)
     SELECT 'session', session_id, now(), now() + make_interval(secs => $3) FROM ended
     ON CONFLICT (kind, id) DO UPDATE SET revoked_at = excluded.revoked_at, expires_at = greatest(revocations.expires_at, excluded.expires_at)
     RETURNING id`,
    [sessionId, hashes.present, ACCESS_TOKEN_SECONDS + REVOCATION_SLACK_MS / 1000],
  );
  return { kind: ended.length > 0 ? 'reused' : 'refused' };
}

/** What is over by itself; the audit of its login stays. */
export async function forgetExpiredSessions(database: Database, userId: string): Promise<void> {
  await database.execute('DELETE FROM auth.sessions WHERE user_id = $1 AND expires_at <= now()', [userId]);
}
