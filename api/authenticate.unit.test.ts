import { createHmac, createPublicKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, SignJWT } from 'jose';
import type { JWK } from 'jose';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { AUTH, HandClock, SECRET, apiHarness } from '../test/support/api-harness.ts';
import type { ApiHarness } from '../test/support/api-harness.ts';
import { createTokenVerifier } from './verify-token.ts';
import type { TokenKeys, TokenOptions } from './verify-token.ts';

const clock = new HandClock();
const NOW = Math.floor(clock.nowMs() / 1000);
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PEM = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();

const keyed = (keys: TokenKeys): TokenOptions => ({ ...AUTH, keys });
const RSA = keyed({ kind: 'public-key', pem: PEM });

interface Claims {
  readonly sub?: unknown;
  readonly iss?: unknown;
  readonly aud?: unknown;
  readonly exp?: unknown;
  readonly nbf?: unknown;
}
const CLAIMS: Claims = { sub: 'ada', iss: 'millrace', aud: 'millrace', exp: NOW + 60 };

async function rs256(claims: Claims, key = pair.privateKey, kid?: string): Promise<string> {
  return new SignJWT(claims as Record<string, unknown>)
    .setProtectedHeader({ alg: 'RS256', ...(kid === undefined ? {} : { kid }) })
    .sign(key);
}

/** Signed by hand, as an attacker would: the library refuses to make such tokens. */
function forged(header: object, claims: Claims, secret?: string | Buffer): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part(header)}.${part(claims)}`;
  return `${signed}.${secret === undefined ? '' : createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
const hs256 = (claims: Claims, secret: string | Buffer = SECRET): string => forged({ alg: 'HS256', typ: 'JWT' }, claims, secret);

const open: ApiHarness[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(({ app }) => app.close()));
});

async function ask(auth: TokenOptions, authorization: string | undefined) {
  const harness = apiHarness({ auth });
  open.push(harness);
  const headers = authorization === undefined ? {} : { authorization };
  return { harness, answer: await harness.app.inject({ url: '/api/v1/characters/me', headers }) };
}

describe('a token signed with RS256', () => {
  it('of the issuer, for this audience, lets its user in', async () => {
    const { answer } = await ask(RSA, `Bearer ${await rs256(CLAIMS)}`);
    expect(answer.statusCode).toBe(200);
    expect(answer.json().characters[0].name).toBe('of ada');
  });

  it.each<[string, Claims]>([
    ['of another issuer', { ...CLAIMS, iss: 'else' }],
    ['without an issuer', { ...CLAIMS, iss: undefined }],
    ['for another audience', { ...CLAIMS, aud: 'else' }],
    ['without an audience', { ...CLAIMS, aud: undefined }],
    ['that has expired', { ...CLAIMS, exp: NOW - 60 }],
    ['that never expires', { ...CLAIMS, exp: undefined }],
    ['whose expiry is a text', { ...CLAIMS, exp: 'never' }],
    ['that is not valid yet', { ...CLAIMS, nbf: NOW + 60 }],
    ['without a user', { ...CLAIMS, sub: undefined }],
    ['whose user is empty', { ...CLAIMS, sub: '' }],
    ['whose user is a number', { ...CLAIMS, sub: 7 }],
    ['whose user could be read as another key', { ...CLAIMS, sub: 'ada:list' }],
    ['whose user holds a brace', { ...CLAIMS, sub: '{ada}' }],
    ['whose user is longer than a record key', { ...CLAIMS, sub: 'a'.repeat(65) }],
  ])('%s is answered with 401', async (_name, claims) => {
    const { answer } = await ask(RSA, `Bearer ${await rs256(claims)}`);
    expect(answer.statusCode).toBe(401);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="millrace", error="invalid_token"/);
  });

  it('that expired is told apart, so that a client knows to ask for a new one', async () => {
    const { answer } = await ask(RSA, `Bearer ${await rs256({ ...CLAIMS, exp: NOW - 60 })}`);
    expect(answer.json().detail).toBe('The token has expired.');
  });

  it('is accepted for a few seconds after its expiry, and not longer', async () => {
    expect((await ask(RSA, `Bearer ${await rs256({ ...CLAIMS, exp: NOW - 4 })}`)).answer.statusCode).toBe(200);
    expect((await ask(RSA, `Bearer ${await rs256({ ...CLAIMS, exp: NOW - 6 })}`)).answer.statusCode).toBe(401);
  });

  it('of another key, or changed after it was signed, is answered with 401', async () => {
    const token = await rs256(CLAIMS);
    const [header, , signature] = token.split('.');
    const claims = Buffer.from(JSON.stringify({ ...CLAIMS, sub: 'root' })).toString('base64url');
    for (const bad of [await rs256(CLAIMS, stranger.privateKey), `${header ?? ''}.${claims}.${signature ?? ''}`, token.slice(0, -4)]) {
      expect((await ask(RSA, `Bearer ${bad}`)).answer.statusCode).toBe(401);
    }
  });

  it('of a user whom nobody knows is answered with 401', async () => {
    const harness = apiHarness({ auth: RSA });
    open.push(harness);
    harness.ports.unknownUsers.add('ada');
    const answer = await harness.app.inject({
      url: '/api/v1/characters/me',
      headers: { authorization: `Bearer ${await rs256(CLAIMS)}` },
    });
    expect(answer.statusCode).toBe(401);
  });
});

describe('a token that chooses its own algorithm', () => {
  const der = pair.publicKey.export({ type: 'spki', format: 'der' });
  it.each<[string, TokenOptions, string]>([
    ['none', RSA, forged({ alg: 'none' }, CLAIMS)],
    ['none, in another spelling', RSA, forged({ alg: 'NoNe' }, CLAIMS)],
    ['none, where a secret is expected', AUTH, forged({ alg: 'none' }, CLAIMS)],
    ['none with a signature', AUTH, forged({ alg: 'none' }, CLAIMS, SECRET)],
    ['HS256 with the public key as its secret', RSA, hs256(CLAIMS, PEM)],
    ['HS256 with the trimmed public key as its secret', RSA, hs256(CLAIMS, PEM.trim())],
    ['HS256 with the bytes of the public key as its secret', RSA, hs256(CLAIMS, der)],
    ['HS256 with an empty secret', RSA, hs256(CLAIMS, '')],
    ['an unknown one', RSA, forged({ alg: 'XX1' }, CLAIMS, SECRET)],
    ['a critical header that nobody understands', AUTH, forged({ alg: 'HS256', crit: ['exp'], exp: 1 }, CLAIMS, SECRET)],
    ['no algorithm', AUTH, forged({}, CLAIMS, SECRET)],
  ])('%s: 401', async (_name, auth, token) => {
    expect((await ask(auth, `Bearer ${token}`)).answer.statusCode).toBe(401);
  });

  it('RS256 where the development secret is configured: 401', async () => {
    expect((await ask(AUTH, `Bearer ${await rs256(CLAIMS)}`)).answer.statusCode).toBe(401);
  });

  it('brings its own key: 401', async () => {
    const jwk = await exportJWK(stranger.publicKey);
    const token = await new SignJWT(CLAIMS as Record<string, unknown>)
      .setProtectedHeader({ alg: 'RS256', jwk, jku: 'http://evil.example', x5c: ['MIIB'] })
      .sign(stranger.privateKey);
    expect((await ask(RSA, `Bearer ${token}`)).answer.statusCode).toBe(401);
  });
});

describe('the Authorization header', () => {
  it('that is missing is answered with how to authenticate', async () => {
    const { answer } = await ask(AUTH, undefined);
    expect(answer.statusCode).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="millrace"');
    expect(answer.json()).toMatchObject({ type: 'urn:millrace:problem:unauthenticated', status: 401 });
  });

  it.each([
    ['nothing', ''],
    ['a scheme alone', 'Bearer'],
    ['a scheme and a space', 'Bearer '],
    ['a password', 'Basic YTpi'],
    ['another scheme', `Token ${hs256(CLAIMS)}`],
    ['a token alone', hs256(CLAIMS)],
    ['two tokens', 'Bearer a b'],
    ['two headers in one', `Bearer ${hs256(CLAIMS)}, Bearer x`],
    ['half a token', 'Bearer a.b'],
    ['dots', 'Bearer ...'],
  ])('holding %s is answered with 401', async (_name, authorization) => {
    expect((await ask(AUTH, authorization)).answer.statusCode).toBe(401);
  });

  it('may name its scheme in any case', async () => {
    expect((await ask(AUTH, `bEARER ${hs256(CLAIMS)}`)).answer.statusCode).toBe(200);
  });

  it('is not read from the query string', async () => {
    const harness = apiHarness();
    open.push(harness);
    expect((await harness.app.inject(`/api/v1/characters/me?access_token=${hs256(CLAIMS)}`)).statusCode).toBe(401);
  });

  it('is checked before the body is read', async () => {
    const harness = apiHarness();
    open.push(harness);
    const payload = 'x'.repeat(100_000);
    expect((await harness.app.inject({ method: 'POST', url: '/api/v1/images/register', payload })).statusCode).toBe(401);
  });
});

describe('the keys', () => {
  it('that cannot be used are a fault of the configuration, named at the start', async () => {
    const weak = keyed({ kind: 'development-secret', secret: 'short' });
    const wrong = keyed({ kind: 'public-key', pem: '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----' });
    for (const auth of [weak, wrong]) {
      await expect(createTokenVerifier(auth, clock)).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
    }
  });

  it('too short for RS256 fail the request as ours, not as the caller’s', async () => {
    const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const auth = keyed({ kind: 'public-key', pem: small.publicKey.export({ type: 'spki', format: 'pem' }).toString() });
    expect((await ask(auth, `Bearer ${await rs256(CLAIMS)}`)).answer.statusCode).toBe(500);
  });
});

/** An issuer on a port of its own: counts how often its keys are fetched, and can be made to fail or to hang. */
async function issuer(keys: JWK[]) {
  const state = { keys, fetched: 0, mode: 'answer' as 'answer' | 'fail' };
  const server = createServer((_request, response) => {
    state.fetched += 1;
    if (state.mode === 'fail') response.writeHead(503).end();
    else response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: state.keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  issuers.push(server);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  return { state, auth: keyed({ kind: 'jwks', url }) };
}
const issuers: ReturnType<typeof createServer>[] = [];
afterEach(async () => {
  await Promise.all(
    issuers.splice(0).map((server) => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    }),
  );
});

async function publicJwk(kid: string): Promise<JWK> {
  return { ...(await exportJWK(createPublicKey(PEM))), kid, alg: 'RS256', use: 'sig' };
}

describe('keys by JWKS URL', () => {
  it('are fetched once for many tokens', async () => {
    const { state, auth } = await issuer([await publicJwk('one')]);
    const verify = await createTokenVerifier(auth, clock);
    const tokens = await Promise.all(Array.from({ length: 20 }, () => rs256(CLAIMS, pair.privateKey, 'one')));
    const verified = await Promise.all(tokens.map(verify));
    expect(verified).toMatchObject(tokens.map(() => ({ kind: 'valid', userId: 'ada' })));
    expect(state.fetched).toBe(1);
  });

  it('are not fetched again for every unknown key id that an attacker makes up', async () => {
    const { state, auth } = await issuer([await publicJwk('one')]);
    const verify = await createTokenVerifier(auth, clock);
    for (let index = 0; index < 20; index += 1) {
      expect(await verify(await rs256(CLAIMS, stranger.privateKey, randomUUID()))).toEqual({ kind: 'invalid' });
    }
    expect(state.fetched).toBe(1);
  });

  it('never verify another algorithm, whatever the key set says', async () => {
    const secret: JWK = { kty: 'oct', kid: 'one', alg: 'HS256', k: Buffer.from(SECRET).toString('base64url') };
    const { auth } = await issuer([secret]);
    const verify = await createTokenVerifier(auth, clock);
    expect(await verify(forged({ alg: 'HS256', kid: 'one' }, CLAIMS, SECRET))).toEqual({ kind: 'invalid' });
    expect(await verify(await rs256(CLAIMS, pair.privateKey, 'one'))).toEqual({ kind: 'invalid' });
  });

  it('go on being used while the issuer is away, and the issuer is left alone for a while', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const { state, auth } = await issuer([await publicJwk('one')]);
      const hands = new HandClock();
      const verify = await createTokenVerifier(auth, hands);
      const token = await rs256(CLAIMS, pair.privateKey, 'one');
      expect((await verify(token)).kind).toBe('valid');
      state.mode = 'fail';
      vi.setSystemTime(Date.now() + 11 * 60_000);
      expect((await verify(token)).kind).toBe('valid');
      expect((await verify(token)).kind).toBe('valid');
      expect(state.fetched).toBe(2);
      await hands.turn(5_000);
      expect((await verify(token)).kind).toBe('valid');
      expect(state.fetched).toBe(3);
    } finally {
      vi.useRealTimers();
    }
  });

  it('that were never known and cannot be fetched are an outage: 503, asked for again only after a pause', async () => {
    const { state, auth } = await issuer([await publicJwk('one')]);
    state.mode = 'fail';
    const harness = apiHarness({ auth });
    open.push(harness);
    const headers = { authorization: `Bearer ${await rs256(CLAIMS, pair.privateKey, 'one')}` };
    const get = () => harness.app.inject({ url: '/api/v1/characters/me', headers });
    const answer = await get();
    expect(answer.statusCode).toBe(503);
    expect(answer.headers['retry-after']).toBe('5');
    expect((await get()).statusCode).toBe(503);
    expect(state.fetched).toBe(1);
    state.mode = 'answer';
    await harness.clock.turn(6_000);
    expect((await get()).statusCode).toBe(200);
  });
});
