import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Revocation } from '../core/access-token.ts';
import { SILENT_LOGGER } from '../core/log.ts';
import { startTrace } from '../core/trace.ts';
import { logOut } from '../processors/auth/log-out.ts';
import { auth } from '../processors/auth/auth.ts';
import { executeCommand } from '../runtime/postgres/command-handler.ts';
import type { Database } from '../runtime/postgres/database.ts';
import { createDatabase } from '../runtime/postgres/database.ts';
import { migrateDomain } from '../runtime/postgres/migrate.ts';
import { readRevocations } from '../runtime/postgres/revocations.ts';
import { createUnitOfWork } from '../runtime/postgres/unit-of-work.ts';
import { systemClock } from '../runtime/telemetry/system-clock.ts';
import { CATALOGUE } from '../schemas/catalogue.ts';
import { createPayloadValidator } from '../schemas/validator.ts';
import { temporaryDatabases } from '../test/support/temporary-databases.ts';
import { composeAccounts } from './compose-accounts.ts';
import type { Accounts } from './ports.ts';

const databases = temporaryDatabases('accounts');
const trace = startTrace({}, (length) => randomBytes(length));
const ada = { email: 'Ada@example.com', password: 'correct horse battery' };
const client = { address: '203.0.113.7', userAgent: 'curl' };
let database: Database;
let accounts: Accounts;
const refused: Revocation[] = [];
let unitOfWork: ReturnType<typeof createUnitOfWork>;

beforeAll(async () => {
  const url = databases.url('auth');
  await migrateDomain({ databaseUrl: url, domain: 'auth', logger: SILENT_LOGGER });
  database = createDatabase({ url, domain: 'auth', poolMax: 4, logger: SILENT_LOGGER });
  unitOfWork = createUnitOfWork({
    database,
    domain: auth,
    catalogue: CATALOGUE,
    validator: createPayloadValidator(),
    logger: SILENT_LOGGER,
  });
  accounts = composeAccounts(
    { database: () => database, unitOfWork: () => unitOfWork },
    {
      signToken: async ({ permissions }) => `token with [${permissions.join()}]`,
      hashSecret: 'a secret for hashes',
      revocations: { refuse: async (revocations) => void refused.push(...revocations) },
      clock: systemClock,
    },
  );
});
afterAll(async () => {
  await database.stop();
  await databases.dropAll();
});

describe('accounts in the auth database', () => {
  it('register an address once, whoever is faster and however it is written', async () => {
    const ids = await Promise.all([accounts.register(ada, trace), accounts.register({ ...ada, email: ' ada@EXAMPLE.com' }, trace)]);
    expect(ids.filter((id) => id !== undefined)).toHaveLength(1);
  });

  it('give tokens for the right password, and keep neither it, nor addresses, nor tokens', async () => {
    expect(await accounts.logIn({ ...ada, ...client, password: 'wrong' }, trace)).toBeUndefined();
    expect(await accounts.logIn({ ...ada, ...client, email: 'bob@example.com' }, trace)).toBeUndefined();
    const tokens = await accounts.logIn({ ...ada, ...client }, trace);
    expect(tokens).toMatchObject({ accessToken: 'token with []', expiresInSeconds: 3_600 });
    const everything: string[] = [];
    for (const table of ['events', 'outbox', 'users', 'credentials', 'sessions', 'login_audits', 'processed_events']) {
      everything.push(JSON.stringify(await database.query(`SELECT to_jsonb(t) AS row FROM auth.${table} AS t`)));
    }
    expect(everything.join()).toContain(tokens?.sessionId);
    expect(everything.join()).not.toMatch(/correct horse|example\.com|203\.0\.113/i);
    expect(everything.join()).not.toContain(tokens?.refreshToken.split('.')[1]);
    expect(everything[0]! + everything[1]!).not.toContain('scrypt');
  });

  it('exchange a refresh token once; the second who shows it ends the session', async () => {
    const first = (await accounts.logIn({ ...ada, ...client }, trace))!;
    const second = (await accounts.refresh(first.refreshToken))!;
    expect(second.sessionId).toBe(first.sessionId);
    const third = (await accounts.refresh(second.refreshToken))!;
    expect(refused).toEqual([]);
    expect(await accounts.refresh(second.refreshToken)).toBeUndefined();
    expect(refused).toMatchObject([{ of: 'session', id: first.sessionId }]);
    expect(await readRevocations(database, [{ of: 'session', id: first.sessionId }])).toEqual([expect.any(Number)]);
    expect(await accounts.refresh(third.refreshToken)).toBeUndefined();
    for (const nonsense of ['', 'x.y', `${first.sessionId}.${'x'.repeat(43)}`]) expect(await accounts.refresh(nonsense)).toBeUndefined();
  });

  it('give nothing for a session that was logged out', async () => {
    const tokens = (await accounts.logIn({ ...ada, ...client }, trace))!;
    const logout = { user_id: tokens.userId, jti: 'j1', expires_at: '2099-01-01T00:00:00Z', session_id: tokens.sessionId };
    await executeCommand(unitOfWork, logOut, logout, { trace });
    expect(await accounts.refresh(tokens.refreshToken)).toBeUndefined();
    const sql = 'SELECT logged_out_at IS NOT NULL AS ended FROM auth.login_audits WHERE session_id = $1';
    expect(await database.query(sql, [tokens.sessionId])).toEqual([{ ended: true }]);
  });
});
