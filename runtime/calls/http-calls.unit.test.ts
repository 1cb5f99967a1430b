import { createHmac } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import type { CallContext } from '../../core/calls.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { startTrace } from '../../core/trace.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { HttpCall } from '../../test/support/local-http-server.ts';
import { localHttpServer } from '../../test/support/local-http-server.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { createCalls } from './create-calls.ts';
import { createHttpAssistant } from './http-assistant.ts';
import { createHttpClassifier } from './http-classifier.ts';
import { createWebhookNotifier } from './webhook-notifier.ts';

const opened: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.stop();
});

const trace = startTrace(
  { requestId: 'request-1', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b' },
  (length) => new Uint8Array(length).fill(0xcd),
);
const context = (signal = new AbortController().signal): CallContext => ({ idempotencyKey: 'scan:classify:1', trace, signal });
const json = (status: number, body: unknown) => (_call: HttpCall, response: ServerResponse) => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(typeof body === 'string' ? body : JSON.stringify(body));
};
const codeOf = async (call: Promise<unknown>) =>
  call.then(
    (value) => value,
    (error: unknown) => (error instanceof ClassifiedError ? error.code : error),
  );

async function classifierOver(answer: (call: HttpCall, response: ServerResponse) => void) {
  const server = await localHttpServer(answer);
  const classifier = createHttpClassifier({ url: `${server.url}/classify`, connectionsMax: 2 });
  opened.push(classifier, server);
  const classify = (signal?: AbortSignal) =>
    classifier.classify({ imageUrl: 'https://cdn.example/1.jpg', userInput: undefined }, context(signal));
  return { server, classify };
}

describe('the classifier over HTTP', () => {
  it('posts the image with idempotency key and trace, and reads category and confidence', async () => {
    const { server, classify } = await classifierOver(json(200, { category: 'paper', confidence: 0.75, model: 'ignored' }));
    expect(await classify()).toEqual({ kind: 'classified', category: 'paper', confidence: 0.75 });
    expect(server.calls).toMatchObject([
      {
        method: 'POST',
        path: '/classify',
        body: '{"image_url":"https://cdn.example/1.jpg","user_input":null}',
        headers: {
          'content-type': 'application/json',
          'idempotency-key': 'scan:classify:1',
          traceparent: `00-0af7651916cd43dd8448eb211c80319c-${'cd'.repeat(8)}-01`,
          tracestate: 'a=b',
          'x-request-id': 'request-1',
        },
      },
    ]);
  });

  it.each([
    [400, { kind: 'rejected', reason: 'classifier_refused_400' }],
    [404, 'CALL_NOT_FOUND'],
    [410, 'CALL_NOT_FOUND'],
    [422, { kind: 'rejected', reason: 'classifier_refused_422' }],
    [301, 'CALL_UNAVAILABLE'],
    [401, 'CALL_UNAVAILABLE'],
    [403, 'CALL_UNAVAILABLE'],
    [405, 'CALL_UNAVAILABLE'],
    [407, 'CALL_UNAVAILABLE'],
    [408, 'CALL_FAILED'],
    [425, 'CALL_UNAVAILABLE'],
    [429, 'CALL_UNAVAILABLE'],
    [500, 'CALL_FAILED'],
    [502, 'CALL_UNAVAILABLE'],
    [503, 'CALL_UNAVAILABLE'],
    [504, 'CALL_UNAVAILABLE'],
    [507, 'CALL_FAILED'],
  ])('takes %i for what it says about the image', async (status, expected) => {
    const { classify } = await classifierOver(json(status, { secret: 'never shown' }));
    expect(await codeOf(classify())).toEqual(expected);
  });

  it.each([
    '',
    'not json',
    '[]',
    '{"category":"paper"}',
    '{"category":"","confidence":1}',
    '{"category":"paper","confidence":1.5}',
    `{"category":"${'x'.repeat(65)}","confidence":1}`,
    '{"category":"pa\\u0000per","confidence":1}',
    '{"category":"pa\\ud800per","confidence":1}',
  ])('counts an answer that it cannot use as a failure: %s', async (body) => {
    const { classify } = await classifierOver(json(200, body));
    expect(await codeOf(classify())).toBe('CALL_FAILED');
  });

  it('reads no more than 64 KiB of an answer', async () => {
    const { classify } = await classifierOver(json(200, { category: 'paper', confidence: 1, filler: 'x'.repeat(70_000) }));
    expect(await codeOf(classify())).toBe('CALL_FAILED');
  });

  it('takes a refused and a cut connection for an outage, and works again when the service is back', async () => {
    let cut = true;
    const { server, classify } = await classifierOver((call, response) => {
      if (cut) response.destroy();
      else json(200, { category: 'paper', confidence: 1 })(call, response);
    });
    expect(await codeOf(classify())).toBe('CALL_UNAVAILABLE');
    cut = false;
    expect(await codeOf(classify())).toMatchObject({ kind: 'classified' });
    await server.stop();
    expect(await codeOf(classify())).toBe('CALL_UNAVAILABLE');
  });

  it('stops waiting when its signal aborts, and cuts the request', async () => {
    let closed = false;
    const { server, classify } = await classifierOver((_call, response) => response.on('close', () => (closed = true)));
    const over = new AbortController();
    const call = codeOf(classify(over.signal));
    await eventually(() => server.calls.length === 1);
    over.abort(new ClassifiedError('CALL_FAILED', 'too late'));
    expect(await call).toBe('CALL_FAILED');
    await eventually(() => closed);
  });

  it('says nothing of what was sent or answered in its messages', async () => {
    const { classify } = await classifierOver(json(500, 'secret'));
    const message = await classify().then(
      () => 'answered',
      (error: unknown) => (error as Error).message,
    );
    expect(message).toBe('the classifier answered 500');
  });
});

describe('the webhook notifier', () => {
  const notification = { userId: 'u1', kind: 'reward_failed', title: 'No reward', data: { scan_id: 's1' } };
  const notifierOver = async (status: number, secret: string) => {
    const server = await localHttpServer(json(status, {}));
    const notifier = createWebhookNotifier({ url: server.url, secret, connectionsMax: 1, clock: new ManualClock() });
    opened.push(notifier, server);
    return { server, notify: () => notifier.notify(notification, context()) };
  };
  const expectedSignature = (call: HttpCall, key: Buffer) =>
    `v1,${createHmac('sha256', key)
      .update(`scan:classify:1.${String(call.headers['webhook-timestamp'])}.${call.body}`)
      .digest('base64')}`;

  it.each([
    ['text', 'a-secret-of-text', Buffer.from('a-secret-of-text')],
    ['base64', `whsec_${Buffer.from('raw bytes').toString('base64')}`, Buffer.from('raw bytes')],
  ])('signs what it posts with a secret given as %s', async (_form, secret, key) => {
    const { server, notify } = await notifierOver(204, secret);
    expect(await notify()).toEqual({ kind: 'sent' });
    const call = server.calls[0]!;
    expect(JSON.parse(call.body)).toEqual({ type: 'reward_failed', user_id: 'u1', title: 'No reward', data: { scan_id: 's1' } });
    expect(call.headers).toMatchObject({
      'webhook-id': 'scan:classify:1',
      'webhook-timestamp': '1772355600',
      'idempotency-key': 'scan:classify:1',
    });
    expect(call.headers['webhook-signature']).toBe(expectedSignature(call, key));
  });

  it('tells a refusal from an outage', async () => {
    expect(await codeOf((await notifierOver(422, 'a-secret-of-text')).notify())).toEqual({
      kind: 'rejected',
      reason: 'webhook_refused_422',
    });
    expect(await codeOf((await notifierOver(410, 'a-secret-of-text')).notify())).toBe('CALL_NOT_FOUND');
    expect(await codeOf((await notifierOver(503, 'a-secret-of-text')).notify())).toBe('CALL_UNAVAILABLE');
  });
});

describe('the assistant over HTTP', () => {
  async function assistantOver(answer: (call: HttpCall, response: ServerResponse) => void) {
    const server = await localHttpServer(answer);
    const assistant = createHttpAssistant({ url: `${server.url}/answer`, connectionsMax: 2 });
    opened.push(assistant, server);
    const question = { sessionId: 'c1', messageId: 'm1', userId: 'u1', text: 'Where to?', imageUrl: undefined };
    return { server, ask: () => assistant.answer(question, context()) };
  }

  it('posts the message with idempotency key and trace, and reads the text', async () => {
    const { server, ask } = await assistantOver(json(200, { text: 'Into the blue bin.', tokens: 7 }));
    expect(await ask()).toEqual({ kind: 'answered', text: 'Into the blue bin.' });
    expect(server.calls).toMatchObject([
      {
        method: 'POST',
        path: '/answer',
        body: '{"session_id":"c1","message_id":"m1","user_id":"u1","text":"Where to?","image_url":null}',
        headers: { 'idempotency-key': 'scan:classify:1', 'x-request-id': 'request-1' },
      },
    ]);
  });

  it.each([
    [422, { kind: 'rejected', reason: 'assistant_refused_422' }],
    [500, 'CALL_FAILED'],
    [503, 'CALL_UNAVAILABLE'],
  ])('takes %i for what it says about the message', async (status, expected) => {
    const { ask } = await assistantOver(json(status, {}));
    expect(await codeOf(ask())).toEqual(expected);
  });

  it.each([
    ['{"answer":"x"}'],
    ['{"text":""}'],
    ['{"text":"a\\u0000b"}'],
    ['{"text":"a\\ud800b"}'],
    ['not json'],
    [JSON.stringify({ text: 'a'.repeat(20_001) })],
  ])('counts %.30s as a failure', async (body) => {
    const { ask } = await assistantOver(json(200, body));
    expect(await codeOf(ask())).toBe('CALL_FAILED');
  });
});

describe('the calls of a process', () => {
  it('close their connections when it stops, and find their services away from then on', async () => {
    const server = await localHttpServer(json(200, { category: 'paper', confidence: 0.75 }));
    opened.push(server);
    const limits = { url: server.url, concurrencyMax: 2 };
    const config = {
      classifier: { kind: 'http', ...limits },
      notifier: { kind: 'webhook', url: server.url, secret: 'a secret of sixteen' },
      assistant: { kind: 'http', ...limits },
      imageProcessor: { kind: 'http', ...limits },
      uploads: undefined,
    } as const;
    const { runner, stop } = createCalls(config, NO_METRICS, SILENT_LOGGER);
    const classify = () =>
      runner.run('classify', { imageUrl: 'https://cdn.example/1.jpg', userInput: undefined }, { ...context(), timeoutMs: 5_000 });
    expect(await classify()).toMatchObject({ category: 'paper' });
    expect(await server.connections()).toBe(1);
    await stop();
    await eventually(async () => (await server.connections()) === 0);
    expect(await codeOf(classify())).toBe('CALL_UNAVAILABLE');
    await stop();
  });
});
