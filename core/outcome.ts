import type { ClassifiedError } from './errors.ts';

/**
 * The four doors. Every record that enters a consumer group leaves by exactly one of them, and the offset may only be
 * committed once the effect behind the door is durable.
 *
 * - `acked`: the effect is committed.
 * - `skipped`: there was nothing to do (a duplicate, a version already seen, an event that the reader does not want).
 * - `retried`: the record is parked, durably, and will be handled again in order.
 * - `deadLettered`: the record is in the group's dead-letter topic, acknowledged by the broker.
 */
export type Outcome =
  | { readonly door: 'acked' }
  | { readonly door: 'skipped'; readonly reason: SkipReason }
  | { readonly door: 'retried'; readonly error: ClassifiedError; readonly attempt: number }
  | { readonly door: 'deadLettered'; readonly error: ClassifiedError };

export type Door = Outcome['door'];
export type SkipReason = 'duplicate' | 'stale-version' | 'not-wanted';

export const ACKED: Outcome = { door: 'acked' };
export function skipped(reason: SkipReason): Outcome {
  return { door: 'skipped', reason };
}

/**
 * What a handler says about one record. A handler never chooses a door for a failure: it returns the classified error,
 * and the loop's policy decides between waiting (an outage), another attempt, and the dead-letter topic.
 */
export type HandlerResult =
  | { readonly kind: 'acked' }
  | { readonly kind: 'skipped'; readonly reason: SkipReason }
  | { readonly kind: 'failed'; readonly error: ClassifiedError };
