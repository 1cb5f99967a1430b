import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { InjectOptions } from 'fastify';
import { composeUploads } from './compose-uploads.ts';
import { buildApi } from './create-api.ts';
import { AUTH, apiHarness, apiOptions } from '../test/support/api-harness.ts';
import { developmentToken } from './development-token.ts';

const STORE = {
  endpoint: 'https://store.example',
  bucket: 'images',
  region: 'ap-northeast-2',
  pathStyle: true,
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'a secret of the store',
  cdnUrl: 'https://cdn.example',
  bytesMax: 1_000_000,
};
const { ports, dependencies, clock, lines, app: without } = apiHarness();
const app = buildApi({ ...dependencies, uploads: composeUploads(STORE, clock) }, apiOptions(), () => false);
beforeEach(() => {
  ports.executed.length = 0;
  ports.rejection = undefined;
});
afterAll(async () => {
  await app.close();
  await without.close();
});

async function as(userId: string, request: InjectOptions, server = app) {
  const token = await developmentToken(AUTH, { id: userId }, clock.nowMs());
  return server.inject({ ...request, headers: { authorization: `Bearer ${token}`, ...request.headers } });
}
const post = (path: string, payload: object): InjectOptions => ({ method: 'POST', url: `/api/v1/images${path}`, payload });
const jpeg = { filename: '병 1.JPG', content_type: 'image/jpeg' };

interface Granted {
  readonly upload_url: string;
  readonly key: string;
  readonly expires_at: string;
  readonly headers: Readonly<Record<string, string>>;
}
async function granted(userId: string, body: object = jpeg): Promise<Granted> {
  const answer = await as(userId, post('/presigned-url', body));
  expect(answer.statusCode).toBe(200);
  return answer.json<Granted>();
}

describe('an upload', () => {
  it('is granted for 15 minutes, for one type of content, at an address of the store', async () => {
    const { upload_url, key, expires_at, headers } = await granted('ada');
    const url = new URL(upload_url);
    expect([url.origin, url.pathname]).toEqual(['https://store.example', `/images/${key}`]);
    expect(url.searchParams.get('X-Amz-Expires')).toBe('900');
    expect(url.searchParams.get('X-Amz-SignedHeaders')).toBe('content-type;host');
    expect(headers).toEqual({ 'content-type': 'image/jpeg' });
    expect(expires_at).toBe(new Date(clock.nowMs() + 900_000).toISOString());
  });

  it('is bound to its length when that is told beforehand', async () => {
    const { upload_url, headers } = await granted('ada', { ...jpeg, content_length: 1_000_000 });
    expect(new URL(upload_url).searchParams.get('X-Amz-SignedHeaders')).toBe('content-length;content-type;host');
    expect(headers).toEqual({ 'content-type': 'image/jpeg', 'content-length': '1000000' });
  });

  it.each<[string, object, string]>([
    ['no name', { ...jpeg, filename: '' }, 'filename'],
    ['a name of 256 characters', { ...jpeg, filename: `${'a'.repeat(252)}.jpg` }, 'filename'],
    ['a folder', { ...jpeg, filename: '../a.jpg' }, 'filename'],
    ['a folder of another system', { ...jpeg, filename: 'c:\\a.jpg' }, 'filename'],
    ['a line break', { ...jpeg, filename: 'a\n.jpg' }, 'filename'],
    ['the ending of another type', { ...jpeg, filename: 'a.png' }, 'filename'],
    ['an ending alone', { ...jpeg, filename: '.jpg' }, 'filename'],
    ['a type that is no image', { filename: 'a.html', content_type: 'text/html' }, 'content_type'],
    ['a drawing that may hold a script', { filename: 'a.svg', content_type: 'image/svg+xml' }, 'content_type'],
    ['a type with a parameter', { ...jpeg, content_type: 'image/jpeg; charset=utf-8' }, 'content_type'],
    ['the name of what every object has', { filename: 'a.jpg', content_type: 'constructor' }, 'content_type'],
    ['more bytes than allowed', { ...jpeg, content_length: 1_000_001 }, 'content_length'],
    ['no bytes', { ...jpeg, content_length: 0 }, 'content_length'],
    ['no type', { filename: 'a.jpg' }, 'content_type'],
    ['a field more', { ...jpeg, acl: 'public-read' }, 'acl'],
  ])('is not granted for %s', async (_name, body, field) => {
    const answer = await as('ada', post('/presigned-url', body));
    expect(answer.statusCode).toBe(400);
    expect(answer.json().errors).toEqual([{ field, message: expect.any(String) }]);
  });

  it('is granted to nobody without a token', async () => {
    expect((await app.inject(post('/presigned-url', jpeg))).statusCode).toBe(401);
  });

  it('is registered by its key, as the image that it was granted for', async () => {
    const { key } = await granted('ada');
    const answer = await as('ada', post('/register', { key }));
    expect(answer.statusCode).toBe(202);
    const [, imageId] = key.split('/');
    expect(ports.executed).toMatchObject([
      { command: 'registerUpload', input: { userId: 'ada', imageId, cdnUrl: `https://cdn.example/${key}`, expired: false } },
    ]);
  });

  it('is found by nobody else, and not under a key that was changed', async () => {
    const { key } = await granted('ada');
    for (const [user, shown] of [
      ['bob', key],
      ['ada', key.replace('.jpg', '.png')],
      ['ada', `${key}x`],
    ] as const) {
      const answer = await as(user, post('/register', { key: shown }));
      expect([answer.statusCode, answer.json().reason]).toEqual([404, 'upload_not_found']);
    }
    expect(ports.executed).toEqual([]);
  });

  it('is expired from the end of its time on, which the domain decides about', async () => {
    const { key, expires_at } = await granted('ada');
    await clock.turn(Date.parse(expires_at) - clock.nowMs() - 1);
    await as('ada', post('/register', { key }));
    await clock.turn(1);
    await as('ada', post('/register', { key }));
    expect(ports.executed).toMatchObject([{ input: { expired: false } }, { input: { expired: true } }]);
    ports.rejection = { reason: 'upload_expired', detail: 'The time of this upload is over.' };
    expect((await as('ada', post('/register', { key }))).json()).toMatchObject({ status: 409, reason: 'upload_expired' });
  });

  it('leaves neither its signature nor the secret of the store in a log line', async () => {
    const { upload_url, key } = await granted('ada');
    await as('ada', post('/register', { key }));
    const signature = new URL(upload_url).searchParams.get('X-Amz-Signature')!;
    expect(JSON.stringify(lines)).not.toContain(signature);
    expect(JSON.stringify(lines) + upload_url).not.toContain(STORE.secretAccessKey);
  });
});

describe('without a store', () => {
  it.each([
    ['/presigned-url', jpeg],
    ['/register', { key: 'uploads/1' }],
  ])('%s says what to configure', async (path, body) => {
    const answer = await as('ada', post(path, body), without);
    expect(answer.statusCode).toBe(501);
    expect(answer.json().detail).toContain('UPLOAD_ENDPOINT');
  });

  it('images are registered by their address', async () => {
    expect((await as('ada', post('/register', { cdn_url: 'https://a/b' }), without)).statusCode).toBe(202);
  });
});
