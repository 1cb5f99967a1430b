import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { InjectOptions } from 'fastify';
import { apiHarness } from '../test/support/api-harness.ts';

const ID = '06C96F3E-3B4C-577C-92F2-DE80DADBC662';
const id = ID.toLowerCase();

const { app, as, ports } = apiHarness();
beforeEach(() => {
  ports.executed.length = 0;
  ports.answers.clear();
  ports.rejection = undefined;
});
afterAll(() => app.close());

const send = (
  method: 'POST' | 'DELETE' | 'PATCH',
  path: string,
  payload?: object,
  headers: Record<string, string> = {},
): InjectOptions => ({
  method,
  url: `/api/v1${path}`,
  headers,
  ...(payload === undefined ? {} : { payload }),
});

const COMMANDS = [
  {
    command: 'deleteImage',
    request: (headers?: Record<string, string>) => send('DELETE', `/images/${ID}`, undefined, headers),
    input: { imageId: id },
    answer: {},
    route: 'DELETE /api/v1/images/:id',
  },
  {
    command: 'requestScan',
    request: (headers?: Record<string, string>) =>
      send('POST', '/scan/classify', { image_url: 'https://cdn.example/1.jpg', user_input: '이건 페트병' }, headers),
    input: { imageUrl: 'https://cdn.example/1.jpg', userInput: '이건 페트병' },
    answer: {
      status: 'requested',
      message: expect.any(String) as string,
      links: {
        scan: expect.stringMatching(/^\/api\/v1\/scans\/[0-9a-f-]{36}$/) as string,
        task: expect.stringMatching(/^\/api\/v1\/scan\/tasks\/[0-9a-f-]{36}$/) as string,
      },
    },
    route: '/api/v1/scan/classify',
  },
  {
    command: 'evolveCharacter',
    request: (headers?: Record<string, string>) => send('POST', `/characters/${ID}/evolve`, undefined, headers),
    input: { characterId: id },
    answer: { character_name: 'Papybook', evolution_level: 1, links: { characters: '/api/v1/characters/me' } },
    route: '/api/v1/characters/:id/evolve',
  },
  {
    command: 'loseCharacter',
    request: (headers?: Record<string, string>) => send('DELETE', `/characters/${ID}?reason=traded`, undefined, headers),
    input: { characterId: id, reason: 'traded' },
    answer: { links: { characters: '/api/v1/characters/me' } },
    route: 'DELETE /api/v1/characters/:id',
  },
  {
    command: 'changePreferences',
    request: (headers?: Record<string, string>) => send('PATCH', '/profile/preferences', { language: 'ko', theme: null }, headers),
    input: { changes: { language: 'ko', theme: null } },
    answer: { preferences: { language: 'ko' } },
    route: 'PATCH /api/v1/profile/preferences',
  },
  {
    command: 'startConversation',
    request: (headers?: Record<string, string>) => send('POST', '/chat/conversations', undefined, headers),
    input: {},
    answer: { links: { conversation: expect.stringMatching(/^\/api\/v1\/chat\/conversations\/[0-9a-f-]{36}$/) as string } },
    route: '/api/v1/chat/conversations',
  },
  {
    command: 'postMessage',
    request: (headers?: Record<string, string>) => send('POST', `/chat/conversations/${ID}/messages`, { text: '이건?' }, headers),
    input: { sessionId: id, text: '이건?', imageUrl: undefined },
    answer: { answer_id: expect.any(String) as string, links: { conversation: `/api/v1/chat/conversations/${id}` } },
    route: '/api/v1/chat/conversations/:id/messages',
  },
  {
    command: 'endConversation',
    request: (headers?: Record<string, string>) => send('DELETE', `/chat/conversations/${ID}`, undefined, headers),
    input: { sessionId: id },
    answer: { links: { conversation: `/api/v1/chat/conversations/${id}` } },
    route: 'DELETE /api/v1/chat/conversations/:id',
  },
];

describe.each(COMMANDS)('$command', ({ command, request, input, answer, route }) => {
  it('is accepted with its trace, for the user of the token', async () => {
    const response = await as('ada', request());
    expect(response.statusCode).toBe(202);
    const body = response.json<{ readonly trace_id: string }>();
    expect(body).toMatchObject({ ...answer, trace_id: expect.stringMatching(/^[0-9a-f]{32}$/) as string });
    expect(response.headers['traceresponse']).toContain(body.trace_id);
    expect(ports.executed).toMatchObject([{ command, input: { ...input, userId: 'ada', idempotencyKey: undefined } }]);
  });

  it('takes effect once per Idempotency-Key, which is bound to route and user', async () => {
    const first = await as('ada', request({ 'idempotency-key': 'k' }));
    const second = await as('ada', request({ 'idempotency-key': 'k' }));
    expect(second.json()).toEqual(first.json());
    expect(second.headers['idempotency-replayed']).toBe('true');
    expect(ports.executed.map(({ input: { idempotencyKey } }) => idempotencyKey)).toEqual([`http:${route}:ada:k`]);
  });

  it('says what the domain refuses and why', async () => {
    ports.rejection = { reason: 'already_owned', detail: 'You own it already.' };
    const refused = await as('ada', request());
    expect(refused.statusCode).toBe(409);
    expect(refused.json()).toMatchObject({ type: 'urn:millrace:problem:refused', reason: 'already_owned', detail: 'You own it already.' });
    ports.rejection = { reason: 'image_not_found', detail: 'You have no image with this id.' };
    const missing = await as('ada', request());
    expect(missing.statusCode).toBe(404);
    expect(missing.json()).toMatchObject({ type: 'urn:millrace:problem:resource-not-found', reason: 'image_not_found' });
    expect(ports.executed).toEqual([]);
  });

  it('is for nobody without a token', async () => {
    expect((await app.inject(request())).statusCode).toBe(401);
    expect(ports.executed).toEqual([]);
  });
});

describe('one Idempotency-Key', () => {
  it('for two things is refused: path, query and body make the request', async () => {
    const key = { 'idempotency-key': 'k' };
    await as('ada', send('DELETE', `/characters/${ID}`, undefined, key));
    const other = await as('ada', send('DELETE', `/characters/${ID}?reason=traded`, undefined, key));
    expect(other.statusCode).toBe(422);
    expect((await as('ada', send('DELETE', `/characters/${ID.replace('06C9', '06C8')}`, undefined, key))).statusCode).toBe(422);
  });
});

describe('a command that is not valid', () => {
  it.each<[string, InjectOptions, string]>([
    ['an id that is none', send('DELETE', '/images/1'), 'id'],
    ['an unknown reason', send('DELETE', `/characters/${ID}?reason=bored`), 'reason'],
    ['an address that is none', send('POST', '/scan/classify', { image_url: 'here' }), 'image_url'],
    ['an address with a password', send('POST', '/scan/classify', { image_url: 'https://a:b@c/d' }), 'image_url'],
    ['words that cannot be stored', send('POST', '/scan/classify', { image_url: 'https://a/b', user_input: 'a\0b' }), 'user_input'],
    ['words without an end', send('POST', '/scan/classify', { image_url: 'https://a/b', user_input: 'a'.repeat(1001) }), 'user_input'],
    ['a field that is not known', send('POST', '/scan/classify', { image_url: 'https://a/b', more: 1 }), 'more'],
    ['a preference that is no text', send('PATCH', '/profile/preferences', { theme: 1 }), 'theme'],
    ['a preference with half a character', send('PATCH', '/profile/preferences', { theme: '\ud800' }), 'theme'],
    ['a name that is none', send('PATCH', '/profile/preferences', { 'The Theme': 'x' }), 'The Theme'],
    ['no change at all', send('PATCH', '/profile/preferences', {}), 'body'],
    ['a message of nothing', send('POST', `/chat/conversations/${ID}/messages`, {}), 'text'],
    ['a message without an end', send('POST', `/chat/conversations/${ID}/messages`, { text: 'a'.repeat(8_001) }), 'text'],
    ['a message with NUL', send('POST', `/chat/conversations/${ID}/messages`, { text: 'a\0' }), 'text'],
    ['a picture that is nowhere', send('POST', `/chat/conversations/${ID}/messages`, { image_url: 'there' }), 'image_url'],
    ['a query that is not known', send('POST', `/characters/${ID}/evolve?fast=1`), 'fast'],
  ])('because of %s is told which field it is', async (_name, request, field) => {
    const response = await as('ada', request);
    expect(response.statusCode).toBe(400);
    expect(response.json<{ readonly errors: readonly { readonly field: string }[] }>().errors.map((fault) => fault.field)).toContain(field);
    expect(ports.executed).toEqual([]);
  });

  it('is not the prototype of anything', async () => {
    const response = await as('ada', {
      ...send('PATCH', '/profile/preferences', undefined, { 'content-type': 'application/json' }),
      payload: '{"__proto__": {"polluted": "yes"}}',
    });
    expect(response.statusCode).toBe(400);
    expect(ports.executed).toEqual([]);
  });
});

describe('a conversation', () => {
  const conversation = {
    session_id: id,
    status: 'open',
    started_at: '2026-02-14T00:00:00.000000Z',
    last_message_at: null,
    ended_at: null,
  } as const;
  const message = {
    message_id: id,
    author: 'user',
    kind: 'text',
    text: 'Hello',
    image_url: null,
    reply_to: null,
    failure_reason: null,
    created_at: '2026-02-14T00:00:01.000000Z',
  } as const;
  const get = (path: string): InjectOptions => ({ method: 'GET', url: `/api/v1/chat/conversations${path}` });

  it('is read by its user, page by page', async () => {
    ports.conversations = [conversation];
    ports.messages = [message];
    ports.pages.length = 0;
    expect((await as('ada', get(''))).json()).toEqual({ conversations: [conversation], more: false });
    expect((await as('ada', get(`/${ID}?before=${ID}&limit=7`))).json()).toEqual({ ...conversation, messages: [message], more: false });
    expect(ports.pages).toEqual([
      { userId: 'ada', page: { before: undefined, limit: 50 } },
      { userId: 'ada', sessionId: id, page: { before: id, limit: 7 } },
    ]);
  });

  it('that is not there is not found', async () => {
    ports.conversations = [];
    expect((await as('ada', get(`/${ID}`))).statusCode).toBe(404);
    expect((await as('ada', get(`?limit=201`))).statusCode).toBe(400);
  });
});

describe('what a user has', () => {
  const get = (path: string): InjectOptions => ({ method: 'GET', url: `/api/v1${path}` });

  it('is a profile from the first moment on', async () => {
    const answer = await as('ada', get('/profile/me'));
    expect(answer.json()).toEqual({
      user_id: 'ada',
      total_characters: 1,
      last_character: null,
      preferences: { language: 'ko' },
      updated_at: null,
    });
    expect(answer.headers['x-read-source']).toBe('write-database');
  });

  it('are images, as many as asked for', async () => {
    const registered_at = '2026-02-14T00:00:00.000000Z';
    ports.images = [{ image_id: id, cdn_url: 'https://cdn.example/1.jpg', status: 'registered', registered_at, processed_at: null }];
    ports.imagesAsked.length = 0;
    expect((await as('ada', get('/images/recent'))).json()).toEqual({ images: ports.images });
    await as('ada', get('/images/recent?limit=7'));
    expect(ports.imagesAsked).toEqual([
      { userId: 'ada', limit: 20 },
      { userId: 'ada', limit: 7 },
    ]);
    expect((await as('ada', get('/images/recent?limit=101'))).statusCode).toBe(400);
  });

  it("is a task, to be asked for again until it has ended, and nobody else's", async () => {
    const task = { task_id: id, scan_id: id, created_at: '2026-02-14T00:00:00.000000Z' };
    ports.task = { ...task, status: 'requested' };
    const waits = await as('ada', get(`/scan/tasks/${ID}`));
    expect([waits.json(), waits.headers['retry-after']]).toEqual([ports.task, '1']);
    ports.task = { ...task, status: 'failed' };
    const ended = await as('ada', get(`/scan/tasks/${ID}`));
    expect([ended.json(), ended.headers['retry-after']]).toEqual([ports.task, undefined]);
    expect((await as('bob', get(`/scan/tasks/${ID}`))).statusCode).toBe(404);
    expect((await as('ada', get('/scan/tasks/none'))).statusCode).toBe(400);
  });
});
