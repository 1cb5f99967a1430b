import { generateKeyPairSync } from 'node:crypto';
import type { InjectOptions } from 'fastify';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { ClassifiedError } from '../core/errors.ts';
import { buildApi } from './create-api.ts';
import { developmentToken } from './development-token.ts';
import { hashPassword, isPassword } from './password-hash.ts';
import { createTokenSigner } from './sign-token.ts';
import { createTokenVerifier } from './verify-token.ts';
import { AUTH, HandClock, SECRET, apiHarness, apiOptions } from '../test/support/api-harness.ts';

const { app, as, ports, lines, dependencies, clock } = apiHarness();
beforeEach(() => {
  ports.executed.length = 0;
  ports.passwords.clear();
  ports.rejection = undefined;
  ports.failure = undefined;
  ports.refused.length = 0;
});
afterAll(() => app.close());

const send = (method: 'POST' | 'PUT', path: string, payload?: object): InjectOptions => ({
  method,
  url: `/api/v1/auth${path}`,
  ...(payload === undefined ? {} : { payload }),
});
const somebody = { email: 'ada@example.com', password: 'correct horse battery' };

describe('registering and logging in', () => {
  it('needs no token, and gives tokens to who has registered', async () => {
    const registered = await app.inject(send('POST', '/register', somebody));
    expect(registered.statusCode).toBe(201);
    expect(registered.json()).toMatchObject({ user_id: 'user-of-ada@example.com' });
    const answer = await app.inject(send('POST', '/login', somebody));
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({
      user_id: 'user-of-ada@example.com',
      session_id: 's1',
      token_type: 'Bearer',
      access_token: 'access-me',
      expires_in: 3_600,
      refresh_token: 'refresh-me-next',
    });
  });

  it('registers an address once', async () => {
    await app.inject(send('POST', '/register', somebody));
    const again = await app.inject(send('POST', '/register', { ...somebody, password: 'another password' }));
    expect(again.statusCode).toBe(409);
    expect(again.json()).toMatchObject({ reason: 'user_already_registered' });
  });

  it('says the same of a wrong password and an unknown address, and repeats neither', async () => {
    await app.inject(send('POST', '/register', somebody));
    const wrong = await app.inject(send('POST', '/login', { ...somebody, password: 'a wrong password' }));
    const unknown = await app.inject(send('POST', '/login', { ...somebody, email: 'bob@example.com' }));
    for (const answer of [wrong, unknown]) {
      expect(answer.statusCode).toBe(401);
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="millrace"');
    }
    expect(wrong.json().detail).toBe(unknown.json().detail);
    expect(JSON.stringify(lines) + wrong.body + unknown.body).not.toMatch(/wrong password|correct horse|example\.com/);
  });

  it('exchanges a refresh token that is good, and no other', async () => {
    expect((await app.inject(send('POST', '/refresh', { refresh_token: 'refresh-me' }))).json()).toMatchObject({
      access_token: 'access-me',
    });
    expect((await app.inject(send('POST', '/refresh', { refresh_token: 'else' }))).statusCode).toBe(401);
  });

  it.each([
    ['a short password', '/register', { ...somebody, password: '123456789' }],
    ['a password that cannot be stored', '/register', { ...somebody, password: `correct horse\ud800` }],
    ['no address', '/register', { ...somebody, email: 'ada' }],
    ['a field more', '/login', { ...somebody, otp: '1' }],
  ])('refuses %s', async (_name, path, payload) => {
    expect((await app.inject(send('POST', path, payload))).statusCode).toBe(400);
  });

  it('is not offered where the issuer of the tokens does it', async () => {
    const elsewhere = buildApi({ ...dependencies, accounts: undefined }, apiOptions(), () => false);
    expect((await elsewhere.inject(send('POST', '/login', somebody))).statusCode).toBe(501);
    await elsewhere.close();
  });

  it('lets an address try only so often in a minute', async () => {
    const limited = buildApi(dependencies, { ...apiOptions(), rateLimits: { commandsPerMinute: 100, queriesPerMinute: 0 } }, () => false);
    const attempts = await Promise.all(Array.from({ length: 21 }, () => limited.inject(send('POST', '/login', somebody))));
    expect(attempts.filter(({ statusCode }) => statusCode === 429)).toHaveLength(1);
    await limited.close();
  });
});

describe('logging out', () => {
  it('gives back the token that asks for it', async () => {
    const answer = await as('ada', send('POST', '/logout'));
    expect([answer.statusCode, answer.body]).toEqual([204, '']);
    const input = { userId: 'ada', tokenId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string, sessionId: undefined };
    expect(ports.executed).toMatchObject([{ command: 'logOut', input }]);
    expect((await app.inject(send('POST', '/logout'))).statusCode).toBe(401);
    expect(ports.refused).toEqual([
      { of: 'token', id: expect.any(String) as string, revokedAtMs: clock.nowMs(), untilMs: clock.nowMs() + 3_660_000 },
    ]);
  });

  it('can be repeated with the token that was given back, which is good for nothing else', async () => {
    const token = await developmentToken(AUTH, { id: 'ada' }, clock.nowMs());
    const headers = { authorization: `Bearer ${token}` };
    const first = await app.inject({ ...send('POST', '/logout'), headers });
    const again = await app.inject({ ...send('POST', '/logout'), headers });
    expect([first.statusCode, again.statusCode, ports.refused.length]).toEqual([204, 204, 1]);
    const other = await app.inject({ method: 'GET', url: '/api/v1/profile/me', headers });
    expect(other.statusCode).toBe(401);
    expect(other.headers['www-authenticate']).toContain('error="invalid_token"');
  });

  it('refuses nothing when the command was not committed', async () => {
    ports.failure = new ClassifiedError('POSTGRES_UNAVAILABLE', 'away');
    expect((await as('ada', send('POST', '/logout'))).statusCode).toBe(503);
    expect(ports.refused).toEqual([]);
  });
});

describe('permissions', () => {
  const change = send('PUT', '/users/bob/permissions', { permissions: ['operator', 'scan:read'] });

  it('are changed by an operator', async () => {
    expect((await as('ada', change, ['operator'])).statusCode).toBe(204);
    const input = { userId: 'ada', ofUserId: 'bob', permissions: ['operator', 'scan:read'] };
    expect(ports.executed).toMatchObject([{ command: 'changePermissions', input }]);
  });

  it('are changed by nobody else', async () => {
    for (const permissions of [[], ['Operator'], ['scan:read']]) expect((await as('ada', change, permissions)).statusCode).toBe(403);
    expect((await app.inject(change)).statusCode).toBe(401);
    expect(ports.executed).toEqual([]);
  });

  it('are words', async () => {
    for (const permissions of [['all of them'], [''], Array.from({ length: 65 }, (_, index) => `p${index}`), 'operator']) {
      expect((await as('ada', send('PUT', '/users/bob/permissions', { permissions }), ['operator'])).statusCode).toBe(400);
    }
  });
});

describe('a signed token', () => {
  const clock = new HandClock();
  const subject = { userId: 'ada', sessionId: 's1', permissions: ['operator'] };

  it.each(['RS256', 'HS256'])('is accepted with what it says (%s)', async (algorithm) => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const publicPem = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const key = algorithm === 'RS256' ? ({ kind: 'private-key', pem } as const) : ({ kind: 'development-secret', secret: SECRET } as const);
    const keys = algorithm === 'RS256' ? ({ kind: 'public-key', pem: publicPem } as const) : AUTH.keys;
    const sign = createTokenSigner({ issuer: AUTH.issuer, audience: AUTH.audience, key });
    const verify = await createTokenVerifier({ ...AUTH, keys }, clock);
    const [first, second] = [await verify(await sign(subject, clock.nowMs())), await verify(await sign(subject, clock.nowMs()))];
    expect(first).toMatchObject({
      kind: 'valid',
      userId: 'ada',
      claims: { sessionId: 's1', permissions: ['operator'], expiresAt: new Date(clock.nowMs() + 3_600_000).toISOString() },
    });
    expect(first.kind === 'valid' && second.kind === 'valid' && first.claims.tokenId !== second.claims.tokenId).toBe(true);
  });

  it('cannot be made with a key that is none', async () => {
    const sign = createTokenSigner({ issuer: 'i', audience: 'a', key: { kind: 'private-key', pem: '-----BEGIN NOTHING-----' } });
    await expect(sign(subject, 0)).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
  });
});

describe('a password', () => {
  it('is recognised by its hash, which is another one each time', async () => {
    const [first, second] = [await hashPassword('correct horse battery'), await hashPassword('correct horse battery')];
    expect(first).not.toBe(second);
    expect([await isPassword('correct horse battery', first), await isPassword('correct horse', first)]).toEqual([true, false]);
    expect(await isPassword('', 'plain')).toBe(false);
  });
});
