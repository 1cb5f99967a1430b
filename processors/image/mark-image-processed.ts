import { defineCommand } from '../../core/define.ts';
import { imageProcessed } from '../../schemas/catalogue.ts';
import type { ImageProcessed } from '../../schemas/generated/events.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { ImageEvent, ImageState } from './aggregate.ts';
import { imageAggregate } from './aggregate.ts';
import { IMAGE_NOT_FOUND } from './image-not-found.ts';

export type MarkImageProcessed = ImageProcessed;

/** Who makes the derived forms of an image (thumbnails) says that they are ready; saying it again changes nothing. */
export const markImageProcessed = defineCommand<MarkImageProcessed, ImageState, ImageEvent>({
  name: 'MarkImageProcessed',
  domain: 'image',
  aggregate: imageAggregate,
  aggregateId: (command) => command.image_id,
  decide(state, { image_id, user_id }) {
    if (state.userId !== user_id) return IMAGE_NOT_FOUND;
    if (state.status === 'deleted') return { rejected: 'image_deleted', detail: 'The image was deleted meanwhile.' };
    if (state.status === 'processed') return { events: [] };
    return { events: [newEvent(imageProcessed, { image_id, user_id })] };
  },
});
