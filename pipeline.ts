import { definePipeline } from './core/define.ts';
import { auth } from './processors/auth/auth.ts';
import { character } from './processors/character/character.ts';
import { image } from './processors/image/image.ts';
import { my } from './processors/my/my.ts';
import { notification } from './processors/notification/notification.ts';
import { scan } from './processors/scan/scan.ts';

/** The table of contents of this deployment. */
export const pipeline = definePipeline({
  domains: [auth, image, scan, character, my, notification],
  projections: [],
});
