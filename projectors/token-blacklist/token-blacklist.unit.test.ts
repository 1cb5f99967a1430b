import { describe, expect, it } from 'vitest';
import { REVOCATION_SLACK_MS } from '../../core/access-token.ts';
import { userLoggedOut } from '../../schemas/catalogue.ts';
import { arrived } from '../../test/support/arrived.ts';
import { tokenBlacklist } from './token-blacklist.ts';

const occurredAt = '2026-03-01T09:00:00.123456Z';
const revokedAtMs = Date.parse(occurredAt);
const mutations = (payload: { jti: string; expires_at: string; session_id?: string | null }) =>
  tokenBlacklist.mutations(arrived(userLoggedOut, { user_id: 'u1', ...payload }, { occurredAt }));
const token = { op: 'keep', key: 'auth:blacklist:j1', version: 1n, value: revokedAtMs.toString() };

describe('the blacklist of tokens', () => {
  it('holds a token until it expires by itself', () => {
    const expires_at = '2026-03-01T09:10:00.000Z';
    expect(mutations({ jti: 'j1', expires_at })).toEqual([{ ...token, untilMs: Date.parse(expires_at) + REVOCATION_SLACK_MS }]);
  });

  it('holds a session for as long as any token of it could still be good', () => {
    const session = { ...token, key: 'auth:ended_session:s1' };
    expect(mutations({ jti: 'j1', expires_at: '2026-03-01T09:10:00.000Z', session_id: 's1' })).toMatchObject([
      { key: token.key },
      { ...session, untilMs: revokedAtMs + 3_600_000 + REVOCATION_SLACK_MS },
    ]);
    expect(mutations({ jti: 'j1', expires_at: '2026-03-01T18:00:00.000Z', session_id: 's1' })).toMatchObject([
      { key: token.key },
      { ...session, untilMs: Date.parse('2026-03-01T18:00:00.000Z') + REVOCATION_SLACK_MS },
    ]);
  });

  it('holds a token whose end nobody can read for as long as our own live', () => {
    expect(mutations({ jti: 'j1', expires_at: 'tomorrow' })).toEqual([
      { ...token, untilMs: revokedAtMs + 3_600_000 + REVOCATION_SLACK_MS },
    ]);
  });
});
