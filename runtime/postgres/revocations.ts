import type { Revocation } from '../../core/access-token.ts';
import { ACCESS_TOKEN_SECONDS, REVOCATION_SLACK_MS } from '../../core/access-token.ts';
import type { Database } from './database.ts';

interface RevocationRow {
  readonly kind: Revocation['of'];
  readonly id: string;
  readonly revoked_ms: number;
  readonly expires_ms: number;
}

const COLUMNS = `kind, id, floor(extract(epoch FROM revoked_at) * 1000)::float8 AS revoked_ms,
  ceil(extract(epoch FROM expires_at) * 1000)::float8 AS expires_ms`;

/** When each was revoked, in milliseconds since 1970, or undefined for one that is not. Rejects with POSTGRES_UNAVAILABLE. */
export async function readRevocations(
  database: Database,
  wanted: readonly Pick<Revocation, 'of' | 'id'>[],
): Promise<readonly (number | undefined)[]> {
  const rows = await database.query<RevocationRow>(
    `SELECT ${COLUMNS} FROM auth.revocations WHERE (kind, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))`,
    [wanted.map(({ of }) => of), wanted.map(({ id }) => id)],
  );
  return wanted.map(({ of, id }) => rows.find((row) => row.kind === of && row.id === id)?.revoked_ms);
}

const PAGE = 1_000;

/** Whatever still refuses something, page by page. Rejects with POSTGRES_UNAVAILABLE. */
export async function* liveRevocations(database: Database): AsyncGenerator<readonly Revocation[]> {
  let after: Pick<RevocationRow, 'kind' | 'id'> = { kind: 'session', id: '' };
  for (;;) {
    const rows = await database.query<RevocationRow>(
      `SELECT ${COLUMNS} FROM auth.revocations WHERE expires_at > now() AND (kind, id) > ($1, $2) ORDER BY kind, id LIMIT ${PAGE}`,
      [after.kind, after.id],
    );
    yield rows.map((row) => ({ of: row.kind, id: row.id, revokedAtMs: row.revoked_ms, untilMs: row.expires_ms }));
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    after = last;
  }
}

/** Removes some of what refuses nothing any more: more than a logout adds. Rejects with POSTGRES_UNAVAILABLE. */
export async function forgetExpiredRevocations(database: Database): Promise<void> {
  await database.execute(
    `DELETE FROM auth.revocations WHERE (kind, id) IN
      (SELECT kind, id FROM auth.revocations WHERE expires_at <= now() ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED)`,
  );
}

/** Of a session that is over. Tokens that it gave are refused until the last one has expired. */
export function sessionRevocation(sessionId: string, revokedAtMs: number): Revocation {
  return { of: 'session', id: sessionId, revokedAtMs, untilMs: revokedAtMs + ACCESS_TOKEN_SECONDS * 1000 + REVOCATION_SLACK_MS };
}
