import type { ClassificationResult } from '../../core/calls.ts';
import type { NewEvent, StateChange } from '../../core/define.ts';
import { NOTHING, defineReaction } from '../../core/define.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { imageRegistered, scanCompleted, scanFailed } from '../../schemas/catalogue.ts';
import type { ImageRegistered } from '../../schemas/generated/events.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { isRewardable } from '../waste-categories.ts';
import { SCAN_RECORDS, scanAggregate } from './aggregate.ts';
import { scanIdOf } from './scan-id.ts';

/** Below it the classifier is guessing, and a guess earns nothing. */
export const MIN_REWARD_CONFIDENCE = 0.5;
const CLASSIFY_TIMEOUT_MS = 5_000;

export const classifyRegisteredImage = defineReaction({
  on: imageRegistered,
  aggregate: scanAggregate,
  aggregateId: (event) => scanIdOf(event.payload.image_id),
  idempotencyKey: (event) => `scan:classify:${scanIdOf(event.payload.image_id)}`,
  call: {
    name: 'classify',
    timeoutMs: CLASSIFY_TIMEOUT_MS,
    request: (event) => ({ imageUrl: event.payload.cdn_url, userInput: undefined }),
    exhausted: () => ({ kind: 'rejected', reason: 'classification_failed' }),
  },
  decide({ state, event: { payload }, result }) {
    if (state.status === 'completed' || state.status === 'failed') return NOTHING;
    if (result === undefined) throw new ClassifiedError('DECISION_FAILED', 'a scan cannot be decided without its classification');
    const scanId = scanIdOf(payload.image_id);
    return {
      events: [outcome(scanId, payload, result)],
      changes: [origin(scanId, payload, result)],
      result: { scan_id: scanId, outcome: result.kind },
    };
  },
});

function outcome(scan_id: string, { user_id, image_id }: ImageRegistered, result: ClassificationResult): NewEvent {
  if (result.kind === 'rejected') return newEvent(scanFailed, { scan_id, user_id, reason: result.reason, image_id });
  const { category, confidence } = result;
  const reward_eligible = isRewardable(category) && confidence >= MIN_REWARD_CONFIDENCE;
  return newEvent(scanCompleted, { scan_id, user_id, category, reward_eligible, confidence, version: '2.0', image_id });
}

/** Where the image can be fetched; the scan's events name the image alone. A whole row, because it may be written before the event's own. */
function origin(scan_id: string, image: ImageRegistered, result: ClassificationResult): StateChange {
  const set = { user_id: image.user_id, image_id: image.image_id, image_url: image.cdn_url, user_input: null };
  const status = result.kind === 'rejected' ? 'failed' : 'completed';
  return { op: 'upsert', table: SCAN_RECORDS, key: { scan_id }, set: { ...set, status } };
}
