import type { InjectOptions } from 'fastify';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { buildApi } from './create-api.ts';
import { createTokenSigner } from './sign-token.ts';
import { AUTH, SECRET, apiHarness, apiOptions } from '../test/support/api-harness.ts';

const { app, ports, clock, lines, dependencies } = apiHarness();
beforeEach(() => {
  ports.revoked.clear();
  ports.unknownUsers.clear();
});
afterAll(() => app.close());

const sign = createTokenSigner({ issuer: AUTH.issuer, audience: AUTH.audience, key: { kind: 'development-secret', secret: SECRET } });
const tokenOf = (permissions: readonly string[] = ['operator', 'scan:read'], sessionId = 's1') =>
  sign({ userId: 'ada', sessionId, permissions }, clock.nowMs());
const jtiOf = (token: string): string => (JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { jti: string }).jti;
const ask = (method: InjectOptions['method'], path: string, token?: string, more: InjectOptions = {}) =>
  app.inject({
    ...more,
    method: method ?? 'GET',
    url: `/api/v1/auth${path}`,
    headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...more.headers },
  });

describe('introspection', () => {
  it('says what an active token is worth', async () => {
    const token = await tokenOf();
    const answer = await ask('GET', '/introspect', token);
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({
      active: true,
      sub: 'ada',
      sid: 's1',
      jti: jtiOf(token),
      permissions: ['operator', 'scan:read'],
      expires_at: new Date(clock.nowMs() + 3_600_000).toISOString(),
    });
  });

  it('says nothing but that a token is not active, whyever', async () => {
    const revoked = await tokenOf();
    ports.revoked.add(jtiOf(revoked));
    const old = await sign({ userId: 'ada', sessionId: 's1', permissions: [] }, clock.nowMs() - 7_200_000);
    for (const token of [revoked, old, `${await tokenOf()}x`, 'nonsense']) {
      const answer = await ask('GET', '/introspect', token);
      expect([answer.statusCode, answer.json()]).toEqual([200, { active: false }]);
    }
    ports.unknownUsers.add('eve');
    const stranger = await sign({ userId: 'eve', sessionId: 's1', permissions: [] }, clock.nowMs());
    expect((await ask('GET', '/introspect', stranger)).json()).toEqual({ active: false });
  });

  it('needs a token', async () => {
    expect((await ask('GET', '/introspect')).statusCode).toBe(401);
  });
});

describe('the check of a gateway', () => {
  it('lets a request pass and says who it is of', async () => {
    const answer = await ask('POST', '/check', await tokenOf());
    expect([answer.statusCode, answer.body]).toEqual([200, '']);
    expect(answer.headers).toMatchObject({ 'x-user-id': 'ada', 'x-session-id': 's1', 'x-user-permissions': 'operator,scan:read' });
  });

  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'] as const)(
    'answers a %s of any path, whatever its body',
    async (method) => {
      const more = { payload: 'no { json', headers: { 'content-type': 'application/json' } };
      const path = '/check/api/v1/scans/me?from=2026-01-01';
      expect((await ask(method, path, await tokenOf(), more)).statusCode).toBe(200);
      expect((await ask(method, path, undefined, more)).statusCode).toBe(401);
      expect(
        (await ask(method, '/check', await tokenOf(), { headers: { 'content-type': 'application/json', 'content-length': '0' } }))
          .statusCode,
      ).toBe(200);
    },
  );

  it('refuses a token that was given back, with what the client should be told', async () => {
    const token = await tokenOf();
    ports.revoked.add(jtiOf(token));
    const answer = await ask('POST', '/check', token);
    expect(answer.statusCode).toBe(401);
    expect(answer.headers['www-authenticate']).toContain('invalid_token');
    expect(answer.headers['x-user-id']).toBeUndefined();
  });

  it('refuses a token that was given back after it had been let pass', async () => {
    const token = await tokenOf();
    expect((await ask('POST', '/check', token)).statusCode).toBe(200);
    ports.revoked.add(jtiOf(token));
    expect((await ask('POST', '/check', token)).statusCode).toBe(401);
  });

  it('hands on no claim that could read as another one', async () => {
    const answer = await ask('POST', '/check', await tokenOf(['a,operator', 'b\r\nx-user-id: root', 'ok'], 'a b'));
    expect(answer.headers).toMatchObject({ 'x-user-id': 'ada', 'x-user-permissions': 'ok' });
    expect(answer.headers['x-session-id']).toBeUndefined();
  });

  it('is counted by no rate limit', async () => {
    const limited = buildApi(dependencies, { ...apiOptions(), rateLimits: { commandsPerMinute: 1, queriesPerMinute: 1 } }, () => false);
    const headers = { authorization: `Bearer ${await tokenOf()}` };
    for (let times = 0; times < 5; times += 1) {
      expect((await limited.inject({ method: 'POST', url: '/api/v1/auth/check', headers })).statusCode).toBe(200);
    }
    await limited.close();
  });

  it('leaves no token in a log line', async () => {
    const token = await tokenOf();
    await ask('POST', '/check', token);
    expect(JSON.stringify(lines)).not.toContain(token.split('.')[2]);
  });
});
