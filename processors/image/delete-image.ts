import { defineCommand } from '../../core/define.ts';
import { imageDeleted } from '../../schemas/catalogue.ts';
import type { ImageDeleted } from '../../schemas/generated/events.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { ImageEvent, ImageState } from './aggregate.ts';
import { imageAggregate } from './aggregate.ts';
import { IMAGE_NOT_FOUND } from './image-not-found.ts';

export type DeleteImage = ImageDeleted;

/** The owner deletes an image. What was scanned of it stays: a scan is a fact of its own. */
export const deleteImage = defineCommand<DeleteImage, ImageState, ImageEvent>({
  name: 'DeleteImage',
  domain: 'image',
  aggregate: imageAggregate,
  aggregateId: (command) => command.image_id,
  decide(state, { image_id, user_id }) {
    if (state.userId !== user_id) return IMAGE_NOT_FOUND;
    if (state.status === 'deleted') return { events: [] };
    return { events: [newEvent(imageDeleted, { image_id, user_id })] };
  },
});
