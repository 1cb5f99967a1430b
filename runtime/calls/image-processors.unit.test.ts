import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import type { CallContext } from '../../core/calls.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { startTrace } from '../../core/trace.ts';
import type { HttpCall } from '../../test/support/local-http-server.ts';
import { localHttpServer } from '../../test/support/local-http-server.ts';
import { systemClock } from '../../test/support/system-clock.ts';
import { createHttpImageProcessor } from './http-image-processor.ts';
import { createLocalImageProcessor } from './local-image-processor.ts';
import { createStoreImageProcessor } from './store-image-processor.ts';

const opened: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.stop();
});

const trace = startTrace({}, (length) => new Uint8Array(length).fill(0xcd));
const context = (signal = new AbortController().signal): CallContext => ({ idempotencyKey: 'image:process:1', trace, signal });
const image = { imageId: '1', userId: 'ada', imageUrl: 'https://cdn.example/uploads/1.jpg' };
const answer =
  (status: number, headers: Record<string, string> = {}) =>
  (_call: HttpCall, response: ServerResponse) =>
    void response.writeHead(status, headers).end();
const BUCKET = /^\/images\/\?/;
/** Answers `status`, and `there` where the path fits. */
const exceptFor = (path: RegExp, status: number, there: number) => (call: HttpCall, response: ServerResponse) =>
  void response.writeHead(path.test(call.path) ? there : status).end();
const outcome = async (call: Promise<unknown>) =>
  call.then(
    (value) => value,
    (error: unknown) => (error instanceof ClassifiedError ? error.code : error),
  );

describe('the image processor over HTTP', () => {
  async function over(respond: (call: HttpCall, response: ServerResponse) => void) {
    const server = await localHttpServer(respond);
    const processor = createHttpImageProcessor({ url: `${server.url}/process`, connectionsMax: 2 });
    opened.push(processor, server);
    return { server, processor };
  }

  it('posts the image with its idempotency key, and is done with the answer', async () => {
    const { server, processor } = await over(answer(204));
    expect(await processor.process(image, context())).toEqual({ kind: 'processed' });
    expect(server.calls).toMatchObject([
      {
        method: 'POST',
        path: '/process',
        body: '{"image_id":"1","user_id":"ada","image_url":"https://cdn.example/uploads/1.jpg"}',
        headers: { 'idempotency-key': 'image:process:1' },
      },
    ]);
  });

  it.each([
    [422, { kind: 'rejected', reason: 'image_processor_refused_422' }],
    [500, 'CALL_FAILED'],
    [503, 'CALL_UNAVAILABLE'],
  ])('takes %i for what it says about the image', async (status, expected) => {
    const { processor } = await over(answer(status));
    expect(await outcome(processor.process(image, context()))).toEqual(expected);
  });
});

describe('the store of uploads', () => {
  async function over(respond: (call: HttpCall, response: ServerResponse) => void) {
    const server = await localHttpServer(respond);
    const processor = createStoreImageProcessor({
      store: {
        ...{ endpoint: server.url, bucket: 'images', region: 'us-east-1', pathStyle: true },
        ...{ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'a secret of the store' },
      },
      keyOf: (url) => (url.startsWith('https://cdn.example/') ? url.slice('https://cdn.example/'.length) : undefined),
      bytesMax: 1_000,
      connectionsMax: 2,
      clock: systemClock,
    });
    opened.push(processor, server);
    return { server, processor };
  }
  const found = (type: string, bytes: number) => answer(200, { 'content-type': type, 'content-length': bytes.toString() });

  it('is asked for the head of the object, with a signature', async () => {
    const { server, processor } = await over(found('image/jpeg', 1_000));
    expect(await processor.process(image, context())).toEqual({ kind: 'processed' });
    expect(server.calls).toMatchObject([{ method: 'HEAD', path: expect.stringMatching(/^\/images\/uploads\/1\.jpg\?.*X-Amz-Signature=/) }]);
  });

  it.each([
    ['is not there', exceptFor(BUCKET, 404, 200), { kind: 'rejected', reason: 'not_uploaded' }],
    ['is not there, in a bucket that may not be looked at', exceptFor(BUCKET, 404, 403), { kind: 'rejected', reason: 'not_uploaded' }],
    ['lies in no bucket, or behind a wrong endpoint', answer(404), 'CALL_UNAVAILABLE'],
    ['is not there, and the store is busy when asked for the bucket', exceptFor(BUCKET, 404, 503), 'CALL_UNAVAILABLE'],
    ['is not there, and the store fails when asked for the bucket', exceptFor(BUCKET, 404, 500), 'CALL_FAILED'],
    ['is no image', found('text/html', 10), { kind: 'rejected', reason: 'not_an_image' }],
    ['is larger than allowed', found('image/png', 1_001), { kind: 'rejected', reason: 'too_large' }],
    ['is empty', found('image/png', 0), { kind: 'rejected', reason: 'empty' }],
    ['may not be looked at', answer(403), 'CALL_FAILED'],
    ['meets a failing store', answer(500), 'CALL_FAILED'],
    ['meets a busy store', answer(503), 'CALL_UNAVAILABLE'],
    ['meets a store that moved', answer(301), 'CALL_UNAVAILABLE'],
    ['meets a store that hangs up', (_call: HttpCall, response: ServerResponse) => void response.destroy(), 'CALL_UNAVAILABLE'],
  ])('says when the image %s', async (_name, respond, expected) => {
    const { processor } = await over(respond);
    expect(await outcome(processor.process(image, context()))).toEqual(expected);
  });

  it('is not asked for an image that lies elsewhere', async () => {
    const { server, processor } = await over(found('image/jpeg', 10));
    const elsewhere = { ...image, imageUrl: 'https://other.example/1.jpg' };
    expect(await processor.process(elsewhere, context())).toEqual({ kind: 'rejected', reason: 'not_in_the_store' });
    expect(server.calls).toEqual([]);
  });

  it('is given up when the signal says so', async () => {
    const { processor } = await over(() => undefined);
    await expect(processor.process(image, context(AbortSignal.abort(new Error('over'))))).rejects.toThrow('over');
  });
});

describe('the local image processor', () => {
  it('looks at the address alone', async () => {
    const processor = createLocalImageProcessor();
    expect(await processor.process(image, context())).toEqual({ kind: 'processed' });
    const unreadable = { ...image, imageUrl: 'https://cdn.example/classify-as/unreadable/1.jpg' };
    expect(await processor.process(unreadable, context())).toEqual({ kind: 'rejected', reason: 'unreadable' });
  });
});
