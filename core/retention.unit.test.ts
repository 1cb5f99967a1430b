import { describe, expect, it } from 'vitest';
import { scanCompleted } from '../schemas/catalogue.ts';
import { NOTHING, defineDomain, defineProcessor, defineReaction } from './define.ts';
import { definePipeline } from './define-pipeline.ts';
import { INBOX_RETENTION_DAYS, segmentMs } from './retention.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function pipelineOf(retentionMs: number, { isProcessed }: { readonly isProcessed: boolean }) {
  const event = { ...scanCompleted, retentionMs };
  const nothing = { type: 'nothing', initial: () => null, evolve: () => null, tables: () => [] };
  const reaction = defineReaction({
    on: event,
    aggregate: nothing,
    aggregateId: ({ id }) => id,
    idempotencyKey: ({ id }) => id,
    decide: () => NOTHING,
  });
  const reader = defineDomain({
    name: 'my',
    events: [],
    aggregates: [],
    processor: defineProcessor({ domain: 'my', reactions: isProcessed ? [reaction] : [] }),
    captured: false,
  });
  return () =>
    definePipeline({ domains: [defineDomain({ name: 'scan', events: [event], aggregates: [], captured: true }), reader], projections: [] });
}

describe('how long records of an event are kept', () => {
  it('is shorter than the inbox remembers, with the time that a segment is written to', () => {
    expect(pipelineOf(30 * DAY_MS, { isProcessed: true })).not.toThrow();
    const longest = INBOX_RETENTION_DAYS * DAY_MS - segmentMs(30 * DAY_MS);
    expect(pipelineOf(longest - 1, { isProcessed: true })).not.toThrow();
    expect(pipelineOf(longest, { isProcessed: true })).toThrow(/^event ScanCompleted: .* take effect twice\. Say .* less than 732 hours$/);
    expect(pipelineOf(-1, { isProcessed: true })).toThrow(/take effect twice/);
  });

  it('may be anything where no processor reads them, as long as it is a time', () => {
    expect(pipelineOf(400 * DAY_MS, { isProcessed: false })).not.toThrow();
    expect(pipelineOf(-1, { isProcessed: false })).not.toThrow();
    for (const wrong of [0, -2, 1.5, NaN]) expect(pipelineOf(wrong, { isProcessed: false })).toThrow(/whole milliseconds/);
  });

  it('is not drawn out by a segment for longer than by itself', () => {
    expect(segmentMs(HOUR_MS)).toBe(HOUR_MS);
    expect([segmentMs(30 * DAY_MS), segmentMs(-1)]).toEqual([12 * HOUR_MS, 12 * HOUR_MS]);
  });
});
