import { NOTHING, defineReaction } from '../../core/define.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { imageProcessed, imageRegistered } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { imageAggregate } from './aggregate.ts';

const PROCESS_TIMEOUT_MS = 15_000;

/**
 * Behind a registration: has what is derived from the image made, or the image looked at, and says when that is done. One that
 * cannot be processed stays registered, and is classified all the same: nobody waits for this.
 */
export const processImage = defineReaction({
  on: imageRegistered,
  aggregate: imageAggregate,
  aggregateId: (event) => event.payload.image_id,
  idempotencyKey: (event) => `image:process:${event.payload.image_id}`,
  call: {
    name: 'processImage',
    timeoutMs: PROCESS_TIMEOUT_MS,
    request: ({ payload }) => ({ imageId: payload.image_id, userId: payload.user_id, imageUrl: payload.cdn_url }),
    exhausted: () => ({ kind: 'rejected', reason: 'processing_failed' }),
  },
  decide({ state, event: { payload }, result }) {
    if (state.status === 'deleted') return { ...NOTHING, result: { outcome: 'image_deleted' } };
    if (state.status !== 'registered') return NOTHING;
    if (result === undefined) throw new ClassifiedError('DECISION_FAILED', 'an image cannot be called processed before it was');
    if (result.kind === 'rejected') return { ...NOTHING, result: { outcome: result.kind, reason: result.reason } };
    const { image_id, user_id } = payload;
    return { events: [newEvent(imageProcessed, { image_id, user_id })], result: { outcome: 'processed' } };
  },
});
