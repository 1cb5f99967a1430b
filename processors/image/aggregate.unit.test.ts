import { describe, expect, it } from 'vitest';
import type { StoredEvent } from '../../core/define.ts';
import { imageDeleted, imageProcessed, imageRegistered } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { applyChanges } from '../../test/support/state-tables.ts';
import type { ImageEvent } from './aggregate.ts';
import { imageAggregate } from './aggregate.ts';

const ids = { image_id: 'i1', user_id: 'u1' };
const registered = newEvent(imageRegistered, { ...ids, cdn_url: 'https://cdn.example/1.jpg' });
const processed = newEvent(imageProcessed, ids);
const deleted = newEvent(imageDeleted, ids);

function statusAfter(...events: readonly { readonly type: string; readonly payload: unknown }[]) {
  const stored = events.map((event, index) => ({ ...event, version: BigInt(index + 1), occurredAt: '2026-03-01T09:00:00.000001Z' }));
  const changes = stored.flatMap((event) => imageAggregate.tables(event as ImageEvent, 'i1'));
  const state = stored.reduce((before, event) => imageAggregate.evolve(before, event as ImageEvent), imageAggregate.initial('i1'));
  return { row: applyChanges(changes).get('images')?.[0]?.['status'], state: state.status };
}

describe('image', () => {
  it('keeps state and row in step from registration to deletion', () => {
    expect(statusAfter(registered)).toEqual({ row: 'registered', state: 'registered' });
    expect(statusAfter(registered, processed)).toEqual({ row: 'processed', state: 'processed' });
    expect(statusAfter(registered, processed, deleted)).toEqual({ row: 'deleted', state: 'deleted' });
  });

  it('refuses to fold an event that it does not know', () => {
    const foreign: StoredEvent = { type: 'ImageRotated', payload: {}, version: 1n, occurredAt: '2026-03-01T09:00:00.000001Z' };
    expect(() => imageAggregate.evolve(imageAggregate.initial('i1'), foreign as ImageEvent)).toThrow(
      expect.objectContaining({ code: 'EVENT_UNKNOWN' }),
    );
  });
});
