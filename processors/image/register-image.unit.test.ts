import { describe, it } from 'vitest';
import { imageDeleted, imageRegistered } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { OCCURRED_AT, given } from '../../test/support/given.ts';
import { imageAggregate } from './aggregate.ts';
import { registerImage } from './register-image.ts';

const image = { image_id: '5f0a6a6e-5a57-4a9a-8f39-1b2ad3c3b001', user_id: 'u1', cdn_url: 'https://cdn.example/1.jpg' };
const registered = newEvent(imageRegistered, image);

describe('RegisterImage', () => {
  it('registers a new image and keeps its row', () => {
    given(imageAggregate, image.image_id)
      .when(registerImage, image)
      .then({ events: [registered], tables: { images: [{ ...image, status: 'registered', registered_at: OCCURRED_AT }] } });
  });

  it('rejects an image that is registered already', () => {
    given(imageAggregate, image.image_id, [registered]).when(registerImage, image).then({ rejected: 'image_already_registered' });
  });

  it('rejects an image that was deleted: its id is not used again', () => {
    const past = [registered, newEvent(imageDeleted, { image_id: image.image_id, user_id: 'u1' })];
    given(imageAggregate, image.image_id, past).when(registerImage, image).then({ rejected: 'image_already_registered' });
  });
});
