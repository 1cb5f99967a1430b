import type { ClassificationResult } from '../../core/calls.ts';
import { NOTHING, defineReaction } from '../../core/define.ts';
import { scanRequested } from '../../schemas/catalogue.ts';
import { scanAggregate } from './aggregate.ts';
import { CLASSIFICATION_FAILED, CLASSIFY_TIMEOUT_MS, classificationOutcome, classifyKey } from './classification-outcome.ts';

/** A request of another writer may name an image without its address: nothing can be fetched then, and the scan still ends. */
const NO_ADDRESS: ClassificationResult = { kind: 'rejected', reason: 'image_url_missing' };

export const classifyRequestedScan = defineReaction({
  on: scanRequested,
  aggregate: scanAggregate,
  aggregateId: (event) => event.payload.scan_id,
  idempotencyKey: (event) => classifyKey(event.payload.scan_id),
  call: {
    name: 'classify',
    timeoutMs: CLASSIFY_TIMEOUT_MS,
    request: ({ payload }) =>
      typeof payload.image_url === 'string' ? { imageUrl: payload.image_url, userInput: payload.user_input ?? undefined } : undefined,
    exhausted: () => CLASSIFICATION_FAILED,
  },
  decide({ state, event: { payload }, result = NO_ADDRESS }) {
    if (state.status !== 'requested') return NOTHING;
    const { scan_id, user_id, image_id = null } = payload;
    return {
      events: [classificationOutcome({ scan_id, user_id, image_id }, result)],
      result: { scan_id, outcome: result.kind },
    };
  },
});
