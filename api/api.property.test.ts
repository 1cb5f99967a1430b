import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { AUTH, HandClock, apiHarness } from '../test/support/api-harness.ts';
import { requestHash, scopedIdempotencyKey } from './idempotency-key.ts';
import { readCursor, writeCursor } from './scan-cursor.ts';
import { readPeriod } from './scan-period.ts';
import { InvalidInput } from './validation.ts';
import { createTokenVerifier } from './verify-token.ts';

const api = apiHarness();
afterAll(() => api.app.close());

const RUNS = { numRuns: 400 };
const key = fc.oneof(fc.constantFrom('cdn_url', 'key', '__proto__', 'constructor', 'toString'), fc.string());
const { value: anyJson } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false, 0, -1, 1e308, '', 'https://cdn.example/a.jpg'),
    fc.string(),
    fc.double(),
    fc.webUrl(),
    fc.array(tie('value'), { maxLength: 4 }),
    // Built as text below, so that names like __proto__ arrive as they would from a client.
    fc.array(fc.tuple(key, tie('value')), { maxLength: 4 }).map((entries) => ({ entries })),
  ),
}));

function text(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(text).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const { entries } = value as { readonly entries: readonly (readonly [string, unknown])[] };
  return `{${entries.map(([name, inner]) => `${JSON.stringify(name)}:${text(inner)}`).join(',')}}`;
}

describe('whatever is sent', () => {
  it('as a JSON body is accepted or refused with a problem, and never a failure of the server', async () => {
    await fc.assert(
      fc.asyncProperty(anyJson, async (value) => {
        const answer = await api.as('ada', {
          method: 'POST',
          url: '/api/v1/images/register',
          headers: { 'content-type': 'application/json' },
          payload: text(value),
        });
        // 501: a key names an upload, and this API has no store for uploads.
        expect([202, 400, 501]).toContain(answer.statusCode);
        if (answer.statusCode !== 202) expect(answer.headers['content-type']).toBe('application/problem+json');
      }),
      RUNS,
    );
  });

  it('as bytes of any type is accepted or refused', async () => {
    const type = fc.oneof(fc.constantFrom('application/json', 'application/json; charset=x', 'text/plain', 'a', ''), fc.string());
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), type, async (bytes, contentType) => {
        const answer = await api.as('ada', {
          method: 'POST',
          url: '/api/v1/images/register',
          headers: { 'content-type': contentType.replaceAll(/[^\x20-\x7e]/g, '') },
          payload: Buffer.from(bytes),
        });
        expect([202, 400, 415]).toContain(answer.statusCode);
      }),
      RUNS,
    );
  });

  it('as a query or a path is answered or refused', async () => {
    const path = fc.constantFrom('/scans/me', '/characters/ranking', '/characters/me', '/scans/x', '/scans/');
    const name = fc.oneof(fc.constantFrom('from', 'to', 'limit', 'cursor', 'category', 'week', 'period', '__proto__'), fc.string());
    const value = fc.oneof(
      fc.string(),
      fc.integer().map(String),
      fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    );
    await fc.assert(
      fc.asyncProperty(path, fc.array(fc.tuple(name, value), { maxLength: 4 }), fc.boolean(), async (where, pairs, encoded) => {
        const query = encoded
          ? new URLSearchParams(pairs).toString()
          : pairs.map(([a, b]) => `${a}=${b}`.replaceAll(/[^\x21-\x7e]/g, '')).join('&');
        const answer = await api.as('ada', { url: `/api/v1${where}?${query}` });
        expect([200, 400, 404]).toContain(answer.statusCode);
      }),
      RUNS,
    );
  });

  it('as a token is at most refused', async () => {
    const verify = await createTokenVerifier(AUTH, new HandClock());
    const part = fc.oneof(
      fc.string(),
      fc.json().map((json) => Buffer.from(json).toString('base64url')),
      fc
        .record({ alg: fc.constantFrom('HS256', 'RS256', 'none'), crit: fc.anything(), b64: fc.boolean() }, { requiredKeys: ['alg'] })
        .map((header) => Buffer.from(JSON.stringify(header)).toString('base64url')),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 5 }), async (parts) => {
        expect(await verify(parts.join('.'))).toEqual({ kind: 'invalid' });
      }),
      RUNS,
    );
  });
});

describe('an idempotency key', () => {
  const user = fc.stringMatching(/^[A-Za-z0-9._~@|+=-]{1,64}$/);
  const header = fc.stringMatching(/^[\x21-\x7e]{1,255}$/);

  it('is the same for the same user and header only', () => {
    fc.assert(
      fc.property(user, header, user, header, (userA, a, userB, b) => {
        const same = userA === userB && a === b;
        expect(scopedIdempotencyKey('/r', userA, a) === scopedIdempotencyKey('/r', userB, b)).toBe(same);
      }),
    );
  });

  it('remembers a body whatever the order of its fields', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (body) => {
        const turned = Object.fromEntries(Object.entries(body).reverse());
        expect(requestHash(turned)).toBe(requestHash(body));
      }),
    );
  });

  it('tells bodies apart that say another thing', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const normal = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
        fc.pre(!sameJson(normal(a), normal(b)));
        expect(requestHash(a)).not.toBe(requestHash(b));
      }),
    );
  });
});

function sameJson(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  return left.length === right.size && left.every(([name, value]) => right.has(name) && sameJson(value, right.get(name)));
}

describe('a cursor', () => {
  it('comes back as the place that it was made of', () => {
    const completedAt = fc.date({ min: new Date(0), max: new Date('2999-01-01'), noInvalidDate: true }).map((date) => date.toISOString());
    fc.assert(
      fc.property(completedAt, fc.uuid(), (at, scanId) => {
        expect(readCursor(writeCursor({ completedAt: at, scanId }))).toEqual({ completedAt: at, scanId });
      }),
    );
  });

  it('made of anything else is refused, by name', () => {
    const forged = fc.oneof(
      fc.string(),
      fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value)).toString('base64url')),
    );
    fc.assert(
      fc.property(forged, (cursor) => {
        expect(() => readCursor(cursor)).toThrow(InvalidInput);
      }),
    );
  });
});

describe('a day in a query', () => {
  const zone = fc.constantFrom(
    'Asia/Seoul',
    'UTC',
    'America/New_York',
    'Europe/Berlin',
    'Asia/Kathmandu',
    'Pacific/Auckland',
    'Africa/Cairo',
  );
  const day = fc
    .date({ min: new Date('2001-01-02'), max: new Date('2040-12-30'), noInvalidDate: true })
    .map((date) => date.toISOString().slice(0, 10));
  const dateIn = (timeZone: string, ms: number): string => new Intl.DateTimeFormat('sv-SE', { timeZone }).format(ms);

  it('begins at its first moment in the zone and ends before its neighbour begins', () => {
    fc.assert(
      fc.property(zone, day, (timeZone, date) => {
        const { from, before } = readPeriod({ from: date, to: date }, timeZone);
        const [fromMs, beforeMs] = [Date.parse(from ?? ''), Date.parse(before ?? '')];
        expect(dateIn(timeZone, fromMs)).toBe(date);
        expect(dateIn(timeZone, fromMs - 1) < date).toBe(true);
        expect(dateIn(timeZone, beforeMs - 1)).toBe(date);
        expect(dateIn(timeZone, beforeMs) > date).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
