import type { ClassifiedError } from '../../core/errors.ts';
import type { HandlerResult, Outcome } from '../../core/outcome.ts';
import { ACKED, skipped } from '../../core/outcome.ts';
import type { RetryPolicy } from '../../core/retry-policy.ts';
import { delayAfterAttemptMs } from '../../core/retry-policy.ts';

/** How often a conflict is tried again at once before it counts as an attempt of the ladder. */
export const IMMEDIATE_TRIES_MAX = 5;

/** Where a record stands when its attempt has ended. */
export interface Tries {
  /** The attempt that has just ended; 1 is the first. */
  readonly attempt: number;
  /** Immediate tries used up within this attempt. */
  readonly immediateTries: number;
}

export type NextStep =
  | { readonly kind: 'leave'; readonly outcome: Outcome }
  | { readonly kind: 'try-at-once' }
  | { readonly kind: 'wait-for-dependency'; readonly error: ClassifiedError }
  | { readonly kind: 'park'; readonly error: ClassifiedError; readonly delayMs: number }
  | { readonly kind: 'dead-letter'; readonly error: ClassifiedError }
  | { readonly kind: 'halt'; readonly error: ClassifiedError };

/** What nearly every record gets: one for all. */
const LEAVE_ACKED: NextStep = { kind: 'leave', outcome: ACKED };

/** The policy of the four doors. Pure, but for `random`: numbers in [0, 1), of which only a failure takes one. */
export function decideDoor(result: HandlerResult, tries: Tries, policy: RetryPolicy, random: () => number): NextStep {
  switch (result.kind) {
    case 'acked':
      return LEAVE_ACKED;
    case 'skipped':
      return { kind: 'leave', outcome: skipped(result.reason) };
    case 'failed':
      return afterFailure(result.error, tries, policy, random());
  }
}

function afterFailure(error: ClassifiedError, tries: Tries, policy: RetryPolicy, random: number): NextStep {
  switch (error.disposition) {
    case 'retry-now':
      return tries.immediateTries < IMMEDIATE_TRIES_MAX ? { kind: 'try-at-once' } : onTheLadder(error, tries.attempt, policy, random);
    case 'retry-ladder':
      return onTheLadder(error, tries.attempt, policy, random);
    case 'dead-letter':
      return { kind: 'dead-letter', error };
    case 'outage':
      return { kind: 'wait-for-dependency', error };
    case 'fatal':
      return { kind: 'halt', error };
  }
}

function onTheLadder(error: ClassifiedError, attempt: number, policy: RetryPolicy, random: number): NextStep {
  const delayMs = delayAfterAttemptMs(policy, attempt, random);
  return delayMs === undefined ? { kind: 'dead-letter', error } : { kind: 'park', error, delayMs };
}
