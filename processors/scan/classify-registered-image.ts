import type { ClassificationResult } from '../../core/calls.ts';
import type { StateChange } from '../../core/define.ts';
import { NOTHING, defineReaction } from '../../core/define.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { imageRegistered } from '../../schemas/catalogue.ts';
import type { ImageRegistered } from '../../schemas/generated/events.ts';
import { SCAN_RECORDS, scanAggregate } from './aggregate.ts';
import { CLASSIFICATION_FAILED, CLASSIFY_TIMEOUT_MS, classificationOutcome, classifyKey } from './classification-outcome.ts';
import { scanIdOf } from './scan-id.ts';

export const classifyRegisteredImage = defineReaction({
  on: imageRegistered,
  aggregate: scanAggregate,
  aggregateId: (event) => scanIdOf(event.payload.image_id),
  idempotencyKey: (event) => classifyKey(scanIdOf(event.payload.image_id)),
  call: {
    name: 'classify',
    timeoutMs: CLASSIFY_TIMEOUT_MS,
    request: (event) => ({ imageUrl: event.payload.cdn_url, userInput: undefined }),
    exhausted: () => CLASSIFICATION_FAILED,
  },
  decide({ state, event: { payload }, result }) {
    if (state.status === 'completed' || state.status === 'failed') return NOTHING;
    if (result === undefined) throw new ClassifiedError('DECISION_FAILED', 'a scan cannot be decided without its classification');
    const scan_id = scanIdOf(payload.image_id);
    const { user_id, image_id } = payload;
    return {
      events: [classificationOutcome({ scan_id, user_id, image_id }, result)],
      changes: [origin(scan_id, payload, result)],
      result: { scan_id, outcome: result.kind },
    };
  },
});

/** Where the image can be fetched; the scan's events name the image alone. A whole row, because it may be written before the event's own. */
function origin(scan_id: string, image: ImageRegistered, result: ClassificationResult): StateChange {
  const set = { user_id: image.user_id, image_id: image.image_id, image_url: image.cdn_url, user_input: null };
  const status = result.kind === 'rejected' ? 'failed' : 'completed';
  return { op: 'upsert', table: SCAN_RECORDS, key: { scan_id }, set: { ...set, status } };
}
