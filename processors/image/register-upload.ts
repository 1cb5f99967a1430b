import { defineCommand } from '../../core/define.ts';
import { imageRegistered } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { ImageEvent, ImageState } from './aggregate.ts';
import { imageAggregate } from './aggregate.ts';

export interface RegisterUpload {
  /** Granted with the upload: whoever registers it a second time finds the image there. */
  readonly image_id: string;
  readonly user_id: string;
  readonly cdn_url: string;
  /** Its time was over when the registration came. */
  readonly expired: boolean;
}

/** Begins the flow for an image that was uploaded with a presigned URL. */
export const registerUpload = defineCommand<RegisterUpload, ImageState, ImageEvent>({
  name: 'RegisterUpload',
  domain: 'image',
  aggregate: imageAggregate,
  aggregateId: (command) => command.image_id,
  decide(state, { image_id, user_id, cdn_url, expired }) {
    if (state.status !== 'none') return { rejected: 'upload_already_registered', detail: 'This upload is registered already.' };
    if (expired) return { rejected: 'upload_expired', detail: 'The time of this upload is over; ask for another one.' };
    return { events: [newEvent(imageRegistered, { image_id, user_id, cdn_url })] };
  },
});
