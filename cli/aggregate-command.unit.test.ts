import { describe, expect, it } from 'vitest';
import { pipeline } from '../pipeline.ts';
import { aggregateOf, eventsOf, momentOf } from './aggregate-command.ts';
import { aggregateJson, aggregateText } from './aggregate-text.ts';

const shown = {
  domain: 'image',
  type: 'image',
  id: 'i1',
  at: undefined,
  version: 3n,
  state: { status: 'deleted', userId: 'u1' },
  history: [2n, 3n].map((version) => ({
    version,
    id: `e${version}`,
    type: 'ImageProcessed',
    occurredAt: '2026-03-01T09:00:00.000001Z',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    causationId: undefined,
    payload: { image_id: 'i1', user_id: 'x'.repeat(400) },
  })),
};

describe('aggregate show', () => {
  it('knows every event-sourced aggregate, and lists them for a wrong type', () => {
    expect(aggregateOf(pipeline, 'conversation').domain).toBe('chat');
    expect(aggregateOf(pipeline, 'user_characters').domain).toBe('character');
    // A domain that has one type only means that type.
    expect(aggregateOf(pipeline, 'my').aggregate.type).toBe('profile');
    for (const wrong of ['characters', 'delivery', '']) {
      expect(() => aggregateOf(pipeline, wrong)).toThrow(
        'user (auth), image (image), scan (scan), user_characters (character), profile (my), conversation (chat)',
      );
    }
  });

  it.each(['2026-03-01T09:00Z', '2026-03-01T09:00:00.123456+09:00'])('takes %s for a time', (text) => {
    expect(momentOf(text)).toBe(text);
  });

  it.each(['2026-03-01', '2026-03-01T09:00:00', 'yesterday', '2026-13-01T09:00:00Z', "2026-03-01T09:00:00Z'; --"])(
    'refuses %s as a time',
    (text) => {
      expect(() => momentOf(text)).toThrow(/--at must be a time with its offset/);
    },
  );

  it('lists events only when asked, and as many as asked', () => {
    expect([eventsOf({}), eventsOf({ history: true }), eventsOf({ last: '7' }), eventsOf({ history: true, last: '7' })]).toEqual([
      0, 100, 7, 7,
    ]);
    for (const last of ['0', '-1', '1.5', 'all', '10001']) expect(() => eventsOf({ last })).toThrow(/--last must be/);
  });

  it('is readable: the state, a line per event, and how many older ones there are', () => {
    const lines = aggregateText(shown).split('\n');
    expect(lines.slice(0, 5)).toEqual(['image i1', '  domain   image', '  version  3', '  state', '    {']);
    expect(lines).toContain('    (1 older ones are not shown; --last shows more)');
    expect(lines.at(-1)).toMatch(
      /^ {8}3 {2}2026-03-01T09:00:00.000001Z {2}ImageProcessed {2}event e3 {2}trace 0af7651916cd43dd8448eb211c80319c {2}\{.*…$/,
    );
    expect(lines.at(-1)!.length).toBeLessThan(300);
    expect(aggregateText({ ...shown, at: '2026-03-01T09:00Z', history: [] })).not.toContain('history');
    expect(aggregateText({ ...shown, id: 'a\u001b[2Jb' })).toContain('image a?[2Jb');
  });

  it('is one JSON object for programs, with whole payloads', () => {
    const json = JSON.parse(aggregateJson(shown, true)) as { readonly history: readonly unknown[] };
    expect(json).toMatchObject({ domain: 'image', type: 'image', id: 'i1', at: null, version: 3, state: shown.state });
    expect(json.history[1]).toEqual({
      version: 3,
      event_id: 'e3',
      type: 'ImageProcessed',
      occurred_at: '2026-03-01T09:00:00.000001Z',
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      causation_id: null,
      payload: { image_id: 'i1', user_id: 'x'.repeat(400) },
    });
    expect(JSON.parse(aggregateJson(shown, false))).not.toHaveProperty('history');
  });
});
