import { afterEach, describe, expect, it } from 'vitest';
import type { InjectOptions } from 'fastify';
import { ClassifiedError } from '../core/errors.ts';
import { apiHarness } from '../test/support/api-harness.ts';
import type { ApiHarness } from '../test/support/api-harness.ts';
import { eventually } from '../test/support/eventually.ts';
import { writeCursor } from './scan-cursor.ts';

const SCAN_ID = '0b7e7c9e-1111-4222-8333-444444444445';
const FINISHED = {
  scan_id: SCAN_ID,
  image_id: null,
  status: 'completed' as const,
  category: 'pet-bottle',
  confidence: 0.9,
  reward_eligible: true,
  reward_status: 'granted' as const,
  failure_reason: null,
  completed_at: '2026-02-14T01:02:03.456789Z',
};
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const open: ApiHarness[] = [];
function api(...options: Parameters<typeof apiHarness>): ApiHarness {
  const harness = apiHarness(...options);
  open.push(harness);
  return harness;
}
afterEach(async () => {
  await Promise.all(open.splice(0).map(({ app }) => app.close()));
});

const register = (payload: unknown, headers: Record<string, string> = {}): InjectOptions => ({
  method: 'POST',
  url: '/api/v1/images/register',
  headers,
  payload: payload as InjectOptions['payload'] & object,
});
const json = (text: string): InjectOptions => ({ ...register(text), headers: { 'content-type': 'application/json' } });
const get = (path: string): InjectOptions => ({ method: 'GET', url: `/api/v1${path}` });

describe('a registration', () => {
  it('is accepted with ids, a trace and a link to follow', async () => {
    const { as, ports } = api();
    const answer = await as('ada', register({ cdn_url: 'https://cdn.example/a.jpg' }));
    expect(answer.statusCode).toBe(202);
    const body = answer.json<{ readonly scan_id: string; readonly trace_id: string; readonly links: { readonly scan: string } }>();
    expect(body).toEqual({
      image_id: expect.stringMatching(UUID),
      scan_id: expect.stringMatching(UUID),
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      links: { scan: `/api/v1/scans/${body.scan_id}`, characters: '/api/v1/characters/me' },
    });
    expect(answer.headers['location']).toBe(body.links.scan);
    expect(answer.headers['traceresponse']).toContain(body.trace_id);
    expect(ports.executed[0]?.input).toMatchObject({ userId: 'ada', cdnUrl: 'https://cdn.example/a.jpg', idempotencyKey: undefined });
  });

  it('goes on in the trace of its caller, under the name that the caller gave it', async () => {
    const { as, ports } = api();
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    const answer = await as('ada', register({ cdn_url: 'https://a/b' }, { traceparent, tracestate: 'v=1', 'x-request-id': 'mine' }));
    expect(answer.json().trace_id).toBe('a'.repeat(32));
    expect(answer.headers['x-request-id']).toBe('mine');
    expect(ports.executed[0]?.trace).toMatchObject({ parentSpanId: 'b'.repeat(16), requestId: 'mine', tracestate: 'v=1', sampled: true });
  });

  it('ignores a malformed trace, state and request id', async () => {
    const { as, ports } = api();
    const headers = { traceparent: `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'x'.repeat(600), 'x-request-id': 'a b' };
    const answer = await as('ada', register({ cdn_url: 'https://a/b' }, headers));
    expect(answer.statusCode).toBe(202);
    expect(answer.headers['x-request-id']).toMatch(UUID);
    expect(ports.executed[0]?.trace).toMatchObject({ parentSpanId: undefined, tracestate: undefined });
  });

  it('answers 503 with Retry-After while the database is away, and tells nothing of the driver', async () => {
    const { as, ports, lines } = api();
    ports.failure = new ClassifiedError('POSTGRES_UNAVAILABLE', 'image database', { cause: new Error('password of 10.0.0.1') });
    const answer = await as('ada', register({ cdn_url: 'https://a/b' }));
    expect(answer.statusCode).toBe(503);
    expect(answer.headers['retry-after']).toBe('5');
    expect(answer.body).not.toContain('10.0.0.1');
    expect(lines.at(-1)).toMatchObject({ level: 'error', 'http.response.status_code': 503 });
  });

  it('answers 500 without a word about what failed', async () => {
    const { as, ports } = api();
    ports.failure = new Error('row (secret)');
    const answer = await as('ada', register({ cdn_url: 'https://a/b' }));
    expect(answer.statusCode).toBe(500);
    expect(answer.body).not.toContain('secret');
    expect(answer.json()).toMatchObject({ type: 'urn:millrace:problem:internal', title: 'The server failed' });
  });
});

describe('an Idempotency-Key', () => {
  const send = (key: string, url = 'https://a/b') => register({ cdn_url: url }, { 'idempotency-key': key });

  it('gives the first answer again, with the first trace id', async () => {
    const { as, ports } = api();
    const first = await as('ada', send('k'));
    const second = await as('ada', send('k'));
    expect(second.statusCode).toBe(202);
    expect(second.json()).toEqual(first.json());
    expect(second.headers['idempotency-replayed']).toBe('true');
    expect(first.headers['idempotency-replayed']).toBeUndefined();
    expect(second.headers['traceresponse']).not.toContain(first.json().trace_id);
    expect(ports.executed).toHaveLength(1);
  });

  it('refuses another body with 422', async () => {
    const { as } = api();
    await as('ada', send('k'));
    const other = await as('ada', send('k', 'https://a/c'));
    expect(other.statusCode).toBe(422);
    expect(other.json().type).toBe('urn:millrace:problem:idempotency-key-reused');
  });

  it('never gives one user the answer of another', async () => {
    const { as, ports } = api();
    await as('ada', send('k'));
    await as('bob', send('k'));
    expect(ports.executed.map(({ input }) => input.idempotencyKey)).toEqual([
      'http:/api/v1/images/register:ada:k',
      'http:/api/v1/images/register:bob:k',
    ]);
  });

  it.each([
    ['one character', 'k', 202],
    ['255 characters', 'k'.repeat(255), 202],
    ['punctuation', '!"#$%&\'()*+,-./:;<=>?@[]^_`{|}~', 202],
    ['256 characters', 'k'.repeat(256), 400],
    ['nothing', '', 400],
    ['a space inside', 'a b', 400],
    ['a tab inside', 'a\tb', 400],
    ['a letter beyond ASCII', 'é', 400],
  ])('of %s is answered with its status', async (_name, key, status) => {
    const { as } = api();
    const answer = await as('ada', send(key));
    expect(answer.statusCode).toBe(status);
    if (status === 400) expect(answer.json().errors).toEqual([{ field: 'idempotency-key', message: expect.any(String) }]);
  });
});

describe('bad input', () => {
  it.each<[string, InjectOptions, number, string[]]>([
    ['no body', { method: 'POST', url: '/api/v1/images/register' }, 400, ['body']],
    ['an empty JSON body', json(''), 400, []],
    ['half a JSON text', json('{"cdn_url": "https://a'), 400, []],
    ['a JSON text that is not an object', json('[]'), 400, ['body']],
    ['null', json('null'), 400, ['body']],
    ['a prototype', json('{"__proto__": {"cdn_url": "https://a/b"}}'), 400, []],
    ['a missing field', register({}), 400, ['cdn_url']],
    ['a number for a text', register({ cdn_url: 5 }), 400, ['cdn_url']],
    ['null for a text', register({ cdn_url: null }), 400, ['cdn_url']],
    ['thousands of levels for a text', json(`{"cdn_url": ${'['.repeat(30_000)}${']'.repeat(30_000)}}`), 400, ['cdn_url']],
    ['an unknown field', register({ cdn_url: 'https://a/b', cdnurl: 'x' }), 400, ['cdnurl']],
    ['another scheme', register({ cdn_url: 'ftp://a/b' }), 400, ['cdn_url']],
    ['a script', register({ cdn_url: 'javascript:alert(1)' }), 400, ['cdn_url']],
    ['no host', register({ cdn_url: 'https://' }), 400, ['cdn_url']],
    ['a password in the URL', register({ cdn_url: 'https://u:p@a/b' }), 400, ['cdn_url']],
    ['a line break in the URL', register({ cdn_url: 'https://a/\nb' }), 400, ['cdn_url']],
    ['a null character in the URL', json('{"cdn_url": "https://a/b\\u0000"}'), 400, ['cdn_url']],
    ['half a character in the URL', json('{"cdn_url": "https://a/\\ud800"}'), 400, ['cdn_url']],
    ['a space at the end of the URL', register({ cdn_url: 'https://a/b ' }), 400, ['cdn_url']],
    ['a null character in a category', get('/scans/me?category=a%00'), 400, ['category']],
    ['a day before all time', get('/scans/me?from=0000-01-01'), 400, ['from']],
    ['a day after all time', get('/scans/me?to=9999-12-31'), 400, ['to']],
    ['a URL of 2049 characters', register({ cdn_url: `https://a/${'b'.repeat(2039)}` }), 400, ['cdn_url']],
    ['a key where no uploads are offered', register({ key: 'uploads/1' }), 501, []],
    ['an empty key', register({ key: '' }), 400, ['key']],
    ['a key beside an address', register({ key: 'uploads/1', cdn_url: 'https://a/b' }), 400, ['key']],
    ['a limit that is not whole', get('/characters/ranking?limit=1.5'), 400, ['limit']],
    ['a limit in hexadecimal', get('/characters/ranking?limit=0x10'), 400, ['limit']],
    ['an empty limit', get('/characters/ranking?limit='), 400, ['limit']],
    ['a limit of 0', get('/characters/ranking?limit=0'), 400, ['limit']],
    ['a limit of 1001', get('/characters/ranking?limit=1001'), 400, ['limit']],
    ['two limits', get('/characters/ranking?limit=1&limit=2'), 400, ['limit']],
    ['another period', get('/characters/ranking?period=daily'), 400, ['period']],
    ['a week that no year has', get('/characters/ranking?week=2026-W54'), 400, ['week']],
    ['an unknown parameter', get('/scans/me?categroy=x'), 400, ['categroy']],
    ['a date that is none', get('/scans/me?from=2026-02-30'), 400, ['from']],
    ['an end before the start', get('/scans/me?from=2026-02-02&to=2026-02-01'), 400, ['to']],
    ['a cursor of our own making', get('/scans/me?cursor=abc'), 400, ['cursor']],
    ['a scan id that is none', get('/scans/abc'), 400, ['id']],
    ['a malformed address', get('/scans/%zz'), 400, []],
    ['an endless address', get(`/scans/${'a'.repeat(200)}`), 414, []],
    ['a body of another type', { ...register('cdn_url=a'), headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 415, []],
    ['a body of plain text', { ...register('a'), headers: { 'content-type': 'text/plain' } }, 415, []],
    ['a body without a type', { method: 'POST', url: '/api/v1/images/register', payload: Buffer.from('{}') }, 415, []],
    ['an unknown path', get('/nothing'), 404, []],
    ['an unknown path outside the API', { method: 'GET', url: '/' }, 404, []],
    ['another method', get('/images/register'), 405, []],
    ['another method on a path with a parameter', { method: 'DELETE', url: `/api/v1/scans/${SCAN_ID}` }, 405, []],
  ])('%s is a problem that names the field', async (_name, request, status, fields) => {
    const { as, ports } = api();
    const answer = await as('ada', request);
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    const problem = answer.json<{
      readonly request_id: string;
      readonly trace_id: string;
      readonly errors?: { readonly field: string }[];
    }>();
    expect(problem).toMatchObject({ status, title: expect.any(String), type: expect.stringMatching(/^urn:millrace:problem:/) });
    expect(problem.request_id).toBe(answer.headers['x-request-id']);
    expect(answer.headers['traceresponse']).toContain(problem.trace_id);
    expect((problem.errors ?? []).map(({ field }) => field)).toEqual(fields);
    expect(ports.executed).toEqual([]);
  });

  it('is refused without being echoed', async () => {
    const { as } = api();
    const answers = [
      await as('ada', register({ cdn_url: 'SECRET-VALUE', other: 'SECRET-VALUE' })),
      await as('ada', get('/characters/ranking?limit=SECRET-VALUE&week=SECRET-VALUE')),
      await as('ada', get('/scans/SECRET-VALUE?from=SECRET-VALUE')),
      await as('ada', json('{"cdn_url": SECRET-VALUE')),
    ];
    for (const answer of answers) {
      expect(answer.statusCode).toBe(400);
      expect(answer.body).not.toContain('SECRET-VALUE');
    }
  });

  it('of more than 64 KiB is refused with 413', async () => {
    const { as } = api();
    expect((await as('ada', register({ cdn_url: 'a'.repeat(65_536) }))).statusCode).toBe(413);
    expect((await api({ bodyBytesMax: 100 }).as('ada', register({ cdn_url: `https://a/${'b'.repeat(100)}` }))).statusCode).toBe(413);
  });

  it('names at most a few of many unknown fields', async () => {
    const { as } = api();
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`f${index}`, 1]));
    const answer = await as('ada', register(many));
    expect(answer.statusCode).toBe(400);
    expect(answer.json().errors.length).toBeLessThan(20);
  });

  it('of a wrong method says which are allowed', async () => {
    const { as } = api();
    expect((await as('ada', get('/images/register'))).headers['allow']).toBe('DELETE, POST');
    expect((await as('ada', { method: 'PUT', url: '/api/v1/scans/me' })).headers['allow']).toBe('GET, HEAD');
  });
});

describe('the queries', () => {
  it('answer with the characters of the user who asks', async () => {
    const answer = await api().as('ada', get('/characters/me'));
    expect(answer.json()).toEqual({
      characters: [{ id: 'bottle', name: 'of ada', acquired_at: '2026-02-14T00:00:00.000000Z', source: 'scan' }],
    });
    expect(answer.headers).toMatchObject({ 'x-read-source': 'read-model', 'cache-control': 'no-store' });
  });

  it('rank the current week, 100 at most, when nothing else is asked', async () => {
    const { as, ports } = api();
    const answer = await as('ada', get('/characters/ranking'));
    expect(answer.json()).toEqual({ period: 'weekly', week: '2026-W07', entries: [{ rank: 1, user_id: 'ada', count: 3 }] });
    expect(answer.headers['x-read-source']).toBe('write-database');
    await as('ada', get('/characters/ranking?period=weekly&week=2025-W01&limit=1000'));
    expect(ports.rankings).toEqual([
      { week: undefined, limit: 100 },
      { week: '2025-W01', limit: 1000 },
    ]);
  });

  it('read a date as the whole day in the time zone of the pipeline, and a moment as it is', async () => {
    const { as, ports } = api();
    await as('ada', get('/scans/me?from=2026-02-14&to=2026-02-14&category=pet-bottle'));
    await as('ada', get('/scans/me?from=2026-02-14T09:00:00%2B09:00&to=2026-02-15T00:00:00Z&limit=5'));
    expect(ports.asked).toEqual([
      {
        userId: 'ada',
        query: {
          from: '2026-02-13T15:00:00.000Z',
          before: '2026-02-14T15:00:00.000Z',
          category: 'pet-bottle',
          after: undefined,
          limit: 20,
        },
      },
      {
        userId: 'ada',
        query: { from: '2026-02-14T00:00:00.000Z', before: '2026-02-15T00:00:00.000Z', category: undefined, after: undefined, limit: 5 },
      },
    ]);
  });

  it('go on after a page by its cursor, and end with null', async () => {
    const { as, ports } = api();
    ports.scans = [FINISHED];
    ports.more = true;
    const first = (await as('ada', get('/scans/me'))).json();
    expect(first.scans).toEqual([FINISHED]);
    ports.more = false;
    const second = (await as('ada', get(`/scans/me?cursor=${String(first.next_cursor)}`))).json();
    expect(second.next_cursor).toBeNull();
    expect(ports.asked[1]?.query.after).toEqual({ completedAt: FINISHED.completed_at, scanId: SCAN_ID });
  });

  it('refuse a cursor that holds anything but a place', async () => {
    const { as } = api();
    const times = [
      "2026-02-14T01:02:03Z' OR 1=1",
      '2026-99-99T01:02:03Z',
      '2026-02-30T01:02:03Z',
      '0000-01-01T00:00:00Z',
      'Feb 14 2026',
      '2026',
    ];
    const cursors = [
      ...times.map((completedAt) => writeCursor({ completedAt, scanId: SCAN_ID })),
      writeCursor({ completedAt: FINISHED.completed_at, scanId: '*' }),
    ];
    for (const cursor of cursors) expect((await as('ada', get(`/scans/me?cursor=${cursor}`))).statusCode).toBe(400);
  });

  it('answer 404 with Retry-After until the scan is known, then the scan', async () => {
    const { as, ports } = api();
    const before = await as('ada', get(`/scans/${SCAN_ID}`));
    expect(before.statusCode).toBe(404);
    expect(before.headers['retry-after']).toBe('1');
    expect(before.json()).toMatchObject({
      type: 'urn:millrace:problem:scan-not-found',
      detail: expect.stringContaining('still being processed'),
    });
    ports.single = { ...FINISHED, status: 'requested', reward_status: null, completed_at: null };
    const requested = await as('ada', get(`/scans/${SCAN_ID.toUpperCase()}`));
    expect([requested.statusCode, requested.headers['retry-after']]).toEqual([200, '1']);
    ports.single = FINISHED;
    const after = await as('ada', get(`/scans/${SCAN_ID}`));
    expect(after.headers['retry-after']).toBeUndefined();
    expect(after.json()).toEqual(FINISHED);
  });
});

describe('rate limits', () => {
  const limited = { rateLimits: { commandsPerMinute: 2, queriesPerMinute: 1 } };

  it('answer 429 with Retry-After, each user and class for itself', async () => {
    const { as } = api(limited);
    const command = register({ cdn_url: 'https://a/b' });
    expect((await as('ada', command)).headers['ratelimit-remaining']).toBe('1');
    expect((await as('ada', command)).statusCode).toBe(202);
    const over = await as('ada', command);
    expect(over.statusCode).toBe(429);
    expect(Number(over.headers['retry-after'])).toBeGreaterThan(0);
    expect(over.headers['content-type']).toBe('application/problem+json');
    expect((await as('ada', get('/characters/me'))).statusCode).toBe(200);
    expect((await as('ada', get('/scans/me'))).statusCode).toBe(429);
    expect((await as('bob', command)).statusCode).toBe(202);
  });

  it('refuse of a burst only what is too much, also when all of it comes before the user is known', async () => {
    const { as } = api(limited);
    const answers = await Promise.all(Array.from({ length: 10 }, () => as('ada', register({ cdn_url: 'https://a/b' }))));
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([202, 202, ...Array.from({ length: 8 }, () => 429)]);
  });

  it('count callers without a valid token by their address, and leave users with one alone', async () => {
    const { app, as } = api(limited);
    expect((await app.inject(get('/characters/me'))).statusCode).toBe(401);
    expect((await app.inject(get('/characters/me'))).statusCode).toBe(429);
    expect((await app.inject({ ...get('/characters/me'), remoteAddress: '10.0.0.9' })).statusCode).toBe(401);
    expect((await as('ada', get('/characters/me'))).statusCode).toBe(200);
  });

  it('believe X-Forwarded-For only behind a proxy', async () => {
    const forwarded = (address: string) => ({ ...get('/characters/me'), headers: { 'x-forwarded-for': address } });
    const direct = api(limited).app;
    expect((await direct.inject(forwarded('1.1.1.1'))).statusCode).toBe(401);
    expect((await direct.inject(forwarded('2.2.2.2'))).statusCode).toBe(429);
    const proxied = api({ ...limited, trustProxy: true }).app;
    expect((await proxied.inject(forwarded('1.1.1.1'))).statusCode).toBe(401);
    expect((await proxied.inject(forwarded('2.2.2.2'))).statusCode).toBe(401);
  });

  it('are off at 0, and never apply to health and metrics', async () => {
    const { app } = api(limited);
    for (let index = 0; index < 5; index += 1) expect((await app.inject('/health/live')).statusCode).toBe(200);
    const { as } = api();
    for (let index = 0; index < 5; index += 1) expect((await as('ada', get('/characters/me'))).statusCode).toBe(200);
  });
});

describe('too many requests in hand', () => {
  it('are refused with 503 until others have ended, without hiding health', async () => {
    const { app, as, ports } = api({ inFlightMax: 2 });
    let open: () => void = () => undefined;
    ports.gate = new Promise<void>((resolve) => (open = resolve));
    const inHand = [as('ada', get('/characters/me')), as('bob', get('/characters/me'))];
    await eventually(() => ports.waiting === 2);
    const refused = await as('eve', get('/characters/me'));
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '1']);
    expect((await app.inject('/health/live')).statusCode).toBe(200);
    open();
    expect((await Promise.all(inHand)).map(({ statusCode }) => statusCode)).toEqual([200, 200]);
    expect((await as('eve', get('/characters/me'))).statusCode).toBe(200);
  });
});

describe('health and metrics', () => {
  it('live asks nobody; ready and details follow the worst report', async () => {
    const { app, health } = api();
    health.push({ health: () => [{ name: 'image database', status: 'down', detail: 'away', facts: { connections: 0 } }] });
    expect((await app.inject('/health/live')).json()).toEqual({ status: 'ok' });
    const ready = await app.inject('/health/ready');
    expect(ready.statusCode).toBe(503);
    expect(ready.json()).toEqual({ status: 'down', checks: [{ name: 'image database', status: 'down' }] });
    const details = await app.inject('/health');
    expect(details.json().checks).toEqual([{ name: 'image database', status: 'down', detail: 'away', facts: { connections: 0 } }]);
  });

  it('degraded is ready, and a check that fails is down without hiding the others', async () => {
    const { app, health, lines } = api();
    health.push({ health: () => [{ name: 'pool', status: 'degraded' }] });
    expect((await app.inject('/health/ready')).statusCode).toBe(200);
    health.push({
      health: () => {
        throw new Error('broken');
      },
    });
    const ready = await app.inject('/health/ready');
    expect(ready.statusCode).toBe(503);
    expect(ready.json().checks).toHaveLength(2);
    expect(lines).toContainEqual(expect.objectContaining({ level: 'error', message: 'a health check failed' }));
  });

  it('is not ready from the moment a stop begins', async () => {
    const harness = api();
    expect((await harness.app.inject('/health/ready')).statusCode).toBe(200);
    harness.stopping = true;
    expect((await harness.app.inject('/health/ready')).statusCode).toBe(503);
    expect((await harness.app.inject('/health/live')).statusCode).toBe(200);
  });

  it('renders the metrics as the registry does', async () => {
    const answer = await api().app.inject('/metrics');
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(answer.body).toBe('millrace_up 1\n');
  });
});

describe('every request', () => {
  it('leaves one log line and one measurement, with the pattern of its route', async () => {
    const { as, lines, counted } = api();
    await as('ada', get(`/scans/${SCAN_ID}?x=1`));
    expect(lines).toEqual([
      {
        level: 'info',
        message: 'request answered',
        'log.logger': 'http',
        'trace.id': expect.stringMatching(/^[0-9a-f]{32}$/),
        'span.id': expect.stringMatching(/^[0-9a-f]{16}$/),
        'http.request.id': expect.stringMatching(UUID),
        'http.request.method': 'GET',
        'url.path': `/api/v1/scans/${SCAN_ID}`,
        'http.response.status_code': 400,
        'http.route': '/api/v1/scans/:id',
        'event.duration': 0,
        'user.id': 'ada',
        'read.source': undefined,
      },
    ]);
    expect(counted).toEqual([
      { name: 'millrace_http_requests_total', labels: { method: 'GET', route: '/api/v1/scans/:id', status: '400' } },
      { name: 'millrace_http_request_duration_seconds', labels: { method: 'GET', route: '/api/v1/scans/:id' } },
    ]);
  });

  it('logs a path that never ends only as far as it can be recognised', async () => {
    const { app, lines } = api();
    await app.inject(`/${'a'.repeat(5_000)}`);
    expect(String(lines[0]?.['url.path'])).toHaveLength(256);
  });

  it('counts paths that nobody knows under one route', async () => {
    const { app, counted } = api();
    await app.inject('/one');
    await app.inject('/two');
    expect(new Set(counted.map(({ labels }) => labels['route']))).toEqual(new Set(['unmatched']));
  });

  it('logs neither query strings nor tokens nor bodies', async () => {
    const { as, app, lines, ports } = api();
    const marker = 'SECRET-MARKER';
    await as('ada', get(`/scans/me?category=${marker}&x=${marker}`));
    await as('ada', get(`/nothing?${marker}`));
    await as('ada', get(`/scans/me;${marker}`));
    await as('ada', register({ cdn_url: `https://a/${marker}`, [marker]: marker }));
    await app.inject({ ...get('/scans/me'), headers: { authorization: `Bearer ${marker}` } });
    ports.failure = new ClassifiedError('UNCLASSIFIED', 'failed', { cause: new Error(marker) });
    await as('ada', register({ cdn_url: `https://a/${marker}` }, { 'idempotency-key': marker }));
    expect(lines).toHaveLength(6);
    const text = JSON.stringify(lines);
    expect(text).not.toContain(marker);
    expect(text).not.toMatch(/eyJ/);
  });

  it('of a probe is a line for debugging only, as long as it succeeds', async () => {
    const harness = api();
    await harness.app.inject('/health/ready');
    harness.stopping = true;
    await harness.app.inject('/health/ready');
    expect(harness.lines.map(({ level }) => level)).toEqual(['debug', 'error']);
  });
});
