import { describe, expect, it } from 'vitest';
import type { LogFields, Logger } from '../../core/log.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { startTrace } from '../../core/trace.ts';
import { createLocalAssistant } from './local-assistant.ts';
import { createLocalClassifier } from './local-classifier.ts';
import { createLogNotifier } from './log-notifier.ts';

const trace = startTrace({}, (length) => new Uint8Array(length).fill(1));
const context = { idempotencyKey: 'k', trace, signal: new AbortController().signal };

describe('the local classifier', () => {
  const classifier = createLocalClassifier({ categories: ['paper', 'glass-bottle', 'battery'] });
  const classify = (imageUrl: string) => classifier.classify({ imageUrl, userInput: undefined }, context);

  it.each([
    ['https://cdn.example/classify-as/plastic-bottle/123.jpg', { kind: 'classified', category: 'plastic-bottle', confidence: 0.9 }],
    ['https://cdn.example/a/classify-as/paper/1.jpg?confidence=0.25', { kind: 'classified', category: 'paper', confidence: 0.25 }],
    ['https://cdn.example/classify-as/paper?confidence=7', { kind: 'classified', category: 'paper', confidence: 0.9 }],
    ['https://cdn.example/classify-as/paper?confidence=many', { kind: 'classified', category: 'paper', confidence: 0.9 }],
    ['https://cdn.example/classify-as/unreadable/1.jpg', { kind: 'rejected', reason: 'unreadable' }],
    ['https://cdn.example/classify-as/%E0%A4%A/1.jpg', { kind: 'rejected', reason: 'unreadable' }],
    ['not a url', { kind: 'rejected', reason: 'not_a_url' }],
  ])('reads what %s asks for', async (url, expected) => {
    expect(await classify(url)).toEqual(expected);
  });

  it('gives any other address one of the known categories, always the same one, and uses them all', async () => {
    const seen = new Set<string>();
    for (let n = 0; n < 100; n += 1) {
      const first = await classify(`https://cdn.example/${n}.jpg`);
      expect(await classify(`https://cdn.example/${n}.jpg`)).toEqual(first);
      if (first.kind === 'classified') seen.add(first.category);
    }
    expect([...seen].sort()).toEqual(['battery', 'glass-bottle', 'paper']);
  });
});

describe('the local assistant', () => {
  const assistant = createLocalAssistant({ categories: ['paper', 'glass-bottle'] });
  const ask = (text: string | undefined, imageUrl?: string) =>
    assistant.answer({ sessionId: 'c', messageId: 'm', userId: 'u', text, imageUrl }, context);

  it.each([
    ['Where does a Glass bottle go?', undefined, 'This is glass-bottle'],
    [undefined, 'https://cdn.example/classify-as/paper/1.jpg', 'This is paper'],
    ['What is this?', 'https://cdn.example/classify-as/paper/1.jpg', 'This is paper'],
    ['Hello', undefined, 'Name one of these, or show a picture: paper, glass-bottle.'],
  ])('answers %j beside the image %j by what it names or shows', async (text, imageUrl, beginning) => {
    expect(await ask(text, imageUrl)).toEqual({ kind: 'answered', text: expect.stringContaining(beginning) as string });
  });

  it('refuses what cannot be read', async () => {
    expect(await ask(undefined, 'https://cdn.example/classify-as/unreadable/1.jpg')).toEqual({ kind: 'rejected', reason: 'unreadable' });
  });
});

describe('the log notifier', () => {
  it('logs whom and what kind under the trace, and never the content', async () => {
    const lines: [LogFields, string][] = [];
    const logger: Logger = { ...SILENT_LOGGER, info: (fields, message) => lines.push([fields, message]) };
    const notification = { userId: 'u1', kind: 'reward_failed', title: 'secret title', data: { name: 'secret' } };
    expect(await createLogNotifier(logger).notify(notification, context)).toEqual({ kind: 'sent' });
    expect(lines).toMatchObject([
      [{ 'trace.id': trace.traceId, 'user.id': 'u1', kind: 'reward_failed', idempotency_key: 'k' }, 'notification'],
    ]);
    expect(JSON.stringify(lines)).not.toContain('secret');
  });
});
