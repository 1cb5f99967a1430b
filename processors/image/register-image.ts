import { defineCommand } from '../../core/define.ts';
import { imageRegistered } from '../../schemas/catalogue.ts';
import type { ImageRegistered } from '../../schemas/generated/events.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { ImageEvent, ImageState } from './aggregate.ts';
import { imageAggregate } from './aggregate.ts';

export type RegisterImage = ImageRegistered;

/** Begins the flow: an uploaded image, known by its address on the CDN. */
export const registerImage = defineCommand<RegisterImage, ImageState, ImageEvent>({
  name: 'RegisterImage',
  domain: 'image',
  aggregate: imageAggregate,
  aggregateId: (command) => command.image_id,
  decide(state, { image_id, user_id, cdn_url }) {
    if (state.status !== 'none') return { rejected: 'image_already_registered', detail: 'An image with this id is registered already.' };
    return { events: [newEvent(imageRegistered, { image_id, user_id, cdn_url })] };
  },
});
