import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { imageDeleted, imageProcessed, imageRegistered } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { arrived } from '../../test/support/arrived.ts';
import { OCCURRED_AT, given } from '../../test/support/given.ts';
import { imageAggregate } from './aggregate.ts';
import { processImage } from './process-image.ts';

const image_id = '5f0a6a6e-5a57-4a9a-8f39-1b2ad3c3b001';
const ids = { image_id, user_id: 'u1' };
const image = { ...ids, cdn_url: 'https://cdn.example/1.jpg' };
const registered = newEvent(imageRegistered, image);
const processed = newEvent(imageProcessed, ids);
const event = arrived(imageRegistered, image);
const row = { ...image, registered_at: OCCURRED_AT };

describe('a registered image', () => {
  it('is handed to who processes images, once per image', () => {
    expect(processImage.call?.request(event)).toEqual({ imageId: image_id, userId: 'u1', imageUrl: image.cdn_url });
    expect(processImage.idempotencyKey(event)).toBe(`image:process:${image_id}`);
  });

  it('is processed when that is done', () => {
    given(imageAggregate, image_id, [registered])
      .when(processImage, event, { kind: 'processed' })
      .then({
        events: [processed],
        tables: { images: [{ ...row, status: 'processed', processed_at: OCCURRED_AT }] },
        result: { outcome: 'processed' },
      });
  });

  it('stays registered when it cannot be processed, and the inbox says why', () => {
    given(imageAggregate, image_id, [registered])
      .when(processImage, event, { kind: 'rejected', reason: 'not_uploaded' })
      .then({
        events: [],
        tables: { images: [{ ...row, status: 'registered' }] },
        result: { outcome: 'rejected', reason: 'not_uploaded' },
      });
    expect(processImage.call?.exhausted?.(new ClassifiedError('CALL_FAILED', 'x'))).toEqual({
      kind: 'rejected',
      reason: 'processing_failed',
    });
  });

  it('is left alone when it was deleted meanwhile, or is processed already', () => {
    given(imageAggregate, image_id, [registered, newEvent(imageDeleted, ids)])
      .when(processImage, event, { kind: 'processed' })
      .then({ events: [], result: { outcome: 'image_deleted' } });
    given(imageAggregate, image_id, [registered, processed]).when(processImage, event, { kind: 'processed' }).then({ events: [] });
  });

  it('is left alone when its registration is in no stream', () => {
    given(imageAggregate, image_id).when(processImage, event, { kind: 'processed' }).then({ events: [] });
  });

  it('is never called processed before somebody said so', () => {
    expect(() => given(imageAggregate, image_id, [registered]).when(processImage, event)).toThrow(ClassifiedError);
  });
});
