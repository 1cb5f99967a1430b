import { describe, it } from 'vitest';
import { imageDeleted, imageProcessed, imageRegistered } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { OCCURRED_AT, given } from '../../test/support/given.ts';
import { imageAggregate } from './aggregate.ts';
import { deleteImage } from './delete-image.ts';
import { registerUpload } from './register-upload.ts';

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

describe('RegisterUpload', () => {
  const upload = { ...ids, cdn_url: 'https://cdn.example/1.jpg', expired: false };

  it('registers the image that the upload was granted for', () => {
    given(imageAggregate, image_id)
      .when(registerUpload, upload)
      .then({ events: [registered], tables: { images: [{ ...row, status: 'registered' }] } });
  });

  it('comes too late for an upload that has expired', () => {
    given(imageAggregate, image_id)
      .when(registerUpload, { ...upload, expired: true })
      .then({ rejected: 'upload_expired' });
  });

  it('takes an upload once, expired or not, also when its image was deleted', () => {
    for (const past of [[registered], [registered, deleted]]) {
      for (const expired of [false, true]) {
        given(imageAggregate, image_id, past)
          .when(registerUpload, { ...upload, expired })
          .then({ rejected: 'upload_already_registered' });
      }
    }
  });
});
