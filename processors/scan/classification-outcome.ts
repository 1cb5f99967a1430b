import type { ClassificationResult } from '../../core/calls.ts';
import type { NewEvent } from '../../core/define.ts';
import { scanCompleted, scanFailed } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { isRewardable } from '../waste-categories.ts';

/** Below it the classifier is guessing, and a guess earns nothing. */
const MIN_REWARD_CONFIDENCE = 0.5;
export const CLASSIFY_TIMEOUT_MS = 5_000;

/** When the attempts are used up the scan fails, without repeating what the service said. */
export const CLASSIFICATION_FAILED: ClassificationResult = { kind: 'rejected', reason: 'classification_failed' };

interface ScannedImage {
  readonly scan_id: string;
  readonly user_id: string;
  /** Null: not a registered one. */
  readonly image_id: string | null;
}

/** Every scan that is decided ends here: completed with its category, or failed with its reason. */
export function classificationOutcome({ scan_id, user_id, image_id }: ScannedImage, result: ClassificationResult): NewEvent {
  if (result.kind === 'rejected') return newEvent(scanFailed, { scan_id, user_id, reason: result.reason, image_id });
  const { category, confidence } = result;
  const reward_eligible = isRewardable(category) && confidence >= MIN_REWARD_CONFIDENCE;
  return newEvent(scanCompleted, { scan_id, user_id, category, reward_eligible, confidence, version: '2.0', image_id });
}

/** One key for every way to ask for it, so that a scan is classified once. */
export function classifyKey(scanId: string): string {
  return `scan:classify:${scanId}`;
}
