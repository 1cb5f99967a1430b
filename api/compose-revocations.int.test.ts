import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Revocation } from '../core/access-token.ts';
import { REVOCATION_SLACK_MS } from '../core/access-token.ts';
import { SILENT_LOGGER } from '../core/log.ts';
import { NO_METRICS } from '../core/metrics.ts';
import { Names } from '../core/names.ts';
import { startTrace } from '../core/trace.ts';
import { auth } from '../processors/auth/auth.ts';
import { logOut } from '../processors/auth/log-out.ts';
import { registerUser } from '../processors/auth/register-user.ts';
import type { RedisConnection } from '../projectors/redis/redis-connection.ts';
import { createRedisConnection } from '../projectors/redis/redis-connection.ts';
import { createRedisProjector } from '../projectors/redis/redis-projector.ts';
import { createRevocationStore } from '../projectors/redis/revocation-store.ts';
import { tokenBlacklist } from '../projectors/token-blacklist/token-blacklist.ts';
import { executeCommand } from '../runtime/postgres/command-handler.ts';
import type { Database } from '../runtime/postgres/database.ts';
import { createDatabase } from '../runtime/postgres/database.ts';
import { migrateDomain } from '../runtime/postgres/migrate.ts';
import { forgetExpiredRevocations } from '../runtime/postgres/revocations.ts';
import { createUnitOfWork } from '../runtime/postgres/unit-of-work.ts';
import { systemClock } from '../runtime/telemetry/system-clock.ts';
import { CATALOGUE, userLoggedOut } from '../schemas/catalogue.ts';
import { createPayloadValidator } from '../schemas/validator.ts';
import { arrived } from '../test/support/arrived.ts';
import { eventually } from '../test/support/eventually.ts';
import { services, uniqueNamespace } from '../test/support/services.ts';
import { temporaryDatabases } from '../test/support/temporary-databases.ts';
import { composeRevocations } from './compose-revocations.ts';
import type { Revocations } from './ports.ts';
import type { TokenClaims } from './verify-token.ts';

const databases = temporaryDatabases('revocations');
const names = new Names(uniqueNamespace('revoke'));
const trace = startTrace({}, (length) => randomBytes(length));
let database: Database;
let redis: RedisConnection;
let unitOfWork: ReturnType<typeof createUnitOfWork>;

function composed(over = { redis: redis.client, database }): Revocations {
  const store = createRevocationStore({ redis: over.redis, names });
  return composeRevocations({ store, database: over.database, metrics: NO_METRICS, logger: SILENT_LOGGER, clock: systemClock });
}

beforeAll(async () => {
  const url = databases.url('auth');
  await migrateDomain({ databaseUrl: url, domain: 'auth', logger: SILENT_LOGGER });
  database = createDatabase({ url, domain: 'auth', poolMax: 4, logger: SILENT_LOGGER });
  const store = { database, domain: auth, catalogue: CATALOGUE, validator: createPayloadValidator(), logger: SILENT_LOGGER };
  unitOfWork = createUnitOfWork(store);
  redis = createRedisConnection({ url: services().redisUrl, logger: SILENT_LOGGER });
  await redis.start(new AbortController().signal);
  await executeCommand(unitOfWork, registerUser, { user_id: 'u1', provider: 'local', email_hash: 'h' }, { trace });
});
beforeEach(forgetRedis);
afterAll(async () => {
  await forgetRedis();
  await redis.stop(AbortSignal.abort());
  await database.stop();
  await databases.dropAll();
});

async function forgetRedis(): Promise<void> {
  const keys = await redis.client.keys(names.redisKey('*'));
  if (keys.length > 0) await redis.client.del(...keys);
}

const HOUR_MS = 3_600_000;
function claims(over: Partial<TokenClaims> = {}): TokenClaims {
  const nowMs = systemClock.nowMs();
  const expiresAt = new Date(nowMs + HOUR_MS).toISOString();
  return { tokenId: randomUUID(), sessionId: randomUUID(), expiresAt, issuedAtMs: nowMs - 1_000, permissions: [], ...over };
}
async function logOutOf({
  tokenId = '',
  sessionId = null,
  expiresAt,
}: {
  tokenId?: string | undefined;
  sessionId?: string | null | undefined;
  expiresAt: string;
}) {
  const command = { user_id: 'u1', jti: tokenId, expires_at: expiresAt, session_id: sessionId };
  await executeCommand(unitOfWork, logOut, command, { trace });
}
const whole = () => redis.client.exists(names.redisKey('auth:blacklist'));

describe('a token that was given back', () => {
  it('is refused by every process as soon as that was told, and so are the others of its session, but not later ones', async () => {
    const token = claims();
    const [here, there] = [composed(), composed()];
    expect(await here.isRevoked(token)).toBe(false);
    await eventually(async () => (await whole()) === 1);
    const told: Revocation[] = [
      { of: 'token', id: token.tokenId!, revokedAtMs: systemClock.nowMs(), untilMs: systemClock.nowMs() + HOUR_MS },
      { of: 'session', id: token.sessionId!, revokedAtMs: systemClock.nowMs(), untilMs: systemClock.nowMs() + HOUR_MS },
    ];
    await here.refuse(told);
    expect(await there.isRevoked(token)).toBe(true);
    expect(await there.isRevoked(claims({ sessionId: token.sessionId }))).toBe(true);
    expect(await there.isRevoked(claims({ sessionId: token.sessionId, issuedAtMs: systemClock.nowMs() + 1_000 }))).toBe(false);
    expect(await there.isRevoked(claims())).toBe(false);
  });

  it('is refused by what the database says when Redis has lost everything, and Redis is filled again', async () => {
    const token = claims();
    await logOutOf(token);
    const revocations = composed();
    expect(await revocations.isRevoked(token)).toBe(true);
    await eventually(async () => (await whole()) === 1);
    const store = createRevocationStore({ redis: redis.client, names });
    const found = await store.find([
      { of: 'token', id: token.tokenId! },
      { of: 'session', id: token.sessionId! },
      { of: 'token', id: 'x' },
    ]);
    expect(found).toEqual({ revokedAtMs: [expect.any(Number), expect.any(Number), undefined], isWhole: true });
    const leftMs = await redis.client.pttl(names.redisKey(`auth:blacklist:${token.tokenId!}`));
    expect(leftMs).toBeGreaterThan(HOUR_MS);
    expect(leftMs).toBeLessThanOrEqual(HOUR_MS + REVOCATION_SLACK_MS);
  });

  it('is refused while Redis is away', async () => {
    const token = claims();
    await logOutOf(token);
    const away = createRedisConnection({ url: 'redis://127.0.0.1:1', logger: SILENT_LOGGER });
    const revocations = composed({ redis: away.client, database });
    expect([await revocations.isRevoked(token), await revocations.isRevoked(claims())]).toEqual([true, false]);
    await revocations.refuse([]);
    await away.stop(AbortSignal.abort());
  });

  it('is refused by what Redis has of it, also when that may not be all and the database is away', async () => {
    const token = claims();
    const store = createRevocationStore({ redis: redis.client, names });
    await store.keep([{ of: 'token', id: token.tokenId!, revokedAtMs: systemClock.nowMs(), untilMs: systemClock.nowMs() + HOUR_MS }]);
    expect(await whole()).toBe(0);
    const away = createDatabase({ url: 'postgres://u@127.0.0.1:1/away', domain: 'auth', logger: SILENT_LOGGER });
    const revocations = composed({ redis: redis.client, database: away });
    expect([await revocations.isRevoked(token), await revocations.isRevoked(claims())]).toEqual([true, false]);
    await away.stop();
  });

  it('is trusted while neither Redis nor the database can tell', async () => {
    const token = claims();
    await logOutOf(token);
    const url = 'postgres://nobody@127.0.0.1:1/auth';
    const noDatabase = createDatabase({ url, domain: 'auth', poolMax: 1, logger: SILENT_LOGGER });
    const noRedis = createRedisConnection({ url: 'redis://127.0.0.1:1', logger: SILENT_LOGGER });
    const revocations = composed({ redis: noRedis.client, database: noDatabase });
    expect(await revocations.isRevoked(token)).toBe(false);
    await noRedis.stop(AbortSignal.abort());
    await noDatabase.stop();
  });

  it('comes to Redis with its event, in any order and any number of times, until it expires by itself', async () => {
    const unasked = (): never => expect.fail('no history is asked for');
    const history = { events: unasked, pages: unasked };
    const options = { names, history, metrics: NO_METRICS, logger: SILENT_LOGGER, clock: systemClock };
    const projector = createRedisProjector({ projection: tokenBlacklist, redis: redis.client, ...options });
    const at = (ms: number) => new Date(systemClock.nowMs() + ms).toISOString();
    const event = (jti: string, expiresInMs: number) =>
      arrived(userLoggedOut, { user_id: 'u1', jti, expires_at: at(expiresInMs) }, { occurredAt: at(0) });
    const long = event('j1', HOUR_MS);
    expect(await projector.handle(long)).toEqual({ kind: 'acked' });
    expect(await projector.handle(long)).toEqual({ kind: 'skipped', reason: 'stale-version' });
    expect(await projector.handle(event('j1', HOUR_MS / 2))).toEqual({ kind: 'skipped', reason: 'stale-version' });
    expect(await redis.client.pttl(names.redisKey('auth:blacklist:j1'))).toBeGreaterThan(HOUR_MS - 60_000);
    // Over before it came: nothing is left to refuse.
    expect(await projector.handle(event('j2', -REVOCATION_SLACK_MS - 1))).toEqual({ kind: 'skipped', reason: 'stale-version' });
    expect(await redis.client.exists(names.redisKey('auth:blacklist:j2'))).toBe(0);
  });

  it('is forgotten by the database when it refuses nothing any more', async () => {
    const live = claims();
    await logOutOf(live);
    await logOutOf(claims({ sessionId: undefined, tokenId: 'old', expiresAt: '2020-01-01T00:00:00Z' }));
    const ids = async () => (await database.query<{ id: string }>('SELECT id FROM auth.revocations')).map(({ id }) => id);
    expect(await ids()).toContain('old');
    await forgetExpiredRevocations(database);
    expect(await ids()).not.toContain('old');
    expect(await ids()).toContain(live.tokenId);
  });
});
