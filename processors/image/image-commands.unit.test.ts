import { describe, it } from 'vitest';
import { imageDeleted, imageProcessed, imageRegistered } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { OCCURRED_AT, given } from '../../test/support/given.ts';
import { imageAggregate } from './aggregate.ts';
import { deleteImage } from './delete-image.ts';
import { markImageProcessed } from './mark-image-processed.ts';

const image_id = '5f0a6a6e-5a57-4a9a-8f39-1b2ad3c3b001';
const ids = { image_id, user_id: 'u1' };
const registered = newEvent(imageRegistered, { ...ids, cdn_url: 'https://cdn.example/1.jpg' });
const processed = newEvent(imageProcessed, ids);
const deleted = newEvent(imageDeleted, ids);
const row = { ...ids, cdn_url: 'https://cdn.example/1.jpg', registered_at: OCCURRED_AT };

describe('DeleteImage', () => {
  it('deletes an image of the user and keeps its row as deleted', () => {
    given(imageAggregate, image_id, [registered, processed])
      .when(deleteImage, ids)
      .then({
        events: [deleted],
        tables: { images: [{ ...row, status: 'deleted', processed_at: OCCURRED_AT, deleted_at: OCCURRED_AT }] },
      });
  });

  it('changes nothing the second time', () => {
    given(imageAggregate, image_id, [registered, deleted]).when(deleteImage, ids).then({ events: [] });
  });

  it("does not find an image that is not there, nor somebody else's, deleted or not", () => {
    given(imageAggregate, image_id).when(deleteImage, ids).then({ rejected: 'image_not_found' });
    for (const past of [[registered], [registered, deleted]]) {
      given(imageAggregate, image_id, past)
        .when(deleteImage, { ...ids, user_id: 'u2' })
        .then({ rejected: 'image_not_found' });
    }
  });
});

describe('MarkImageProcessed', () => {
  it('says once that the derived forms are ready', () => {
    given(imageAggregate, image_id, [registered])
      .when(markImageProcessed, ids)
      .then({ events: [processed], tables: { images: [{ ...row, status: 'processed', processed_at: OCCURRED_AT }] } });
    given(imageAggregate, image_id, [registered, processed]).when(markImageProcessed, ids).then({ events: [] });
  });

  it('comes too late for a deleted image, and not at all for an unknown one', () => {
    given(imageAggregate, image_id, [registered, deleted]).when(markImageProcessed, ids).then({ rejected: 'image_deleted' });
    given(imageAggregate, image_id).when(markImageProcessed, ids).then({ rejected: 'image_not_found' });
  });
});
