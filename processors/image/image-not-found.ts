import type { Rejection } from '../../core/define.ts';

/** Also for an image of somebody else: nobody learns which ids there are. */
export const IMAGE_NOT_FOUND: Rejection = { rejected: 'image_not_found', detail: 'You have no image with this id.' };
