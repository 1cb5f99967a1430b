import type { RetryDefinition } from './define.ts';

/** Delays in milliseconds before attempt 2, 3, 4 …; after the last one the record is dead-lettered. */
export interface RetryPolicy {
  readonly delaysMs: readonly number[];
  /** Share of the delay that is random, 0 to 1, so that retries of many keys do not return together. */
  readonly jitter: number;
}

const JITTER = 0.2;

/** The ladder of the specification: 10 s, 60 s, 300 s. */
export const RETRY_LADDER: RetryPolicy = { delaysMs: [10_000, 60_000, 300_000], jitter: JITTER };

/** As the processor or projection says, and for what it leaves out as the deployment does. */
export function retryPolicyOf(retry: RetryDefinition | undefined, delaysMs: readonly number[]): RetryPolicy {
  return { delaysMs: retry?.delaysMs ?? delaysMs, jitter: retry?.jitter ?? JITTER };
}

/** What is wrong with it; undefined: nothing. */
export function retryFault({ delaysMs = [], jitter = JITTER }: RetryDefinition): string | undefined {
  const wrong = delaysMs.find((delay) => !Number.isSafeInteger(delay) || delay < 0);
  if (wrong !== undefined) return `retry.delaysMs has ${wrong}; say whole milliseconds`;
  return jitter >= 0 && jitter <= 1 ? undefined : `retry.jitter is ${jitter}; say a share, 0 to 1`;
}

/**
 * The wait after the failed attempt number `attempt` (1 is the first), or undefined when the attempts are used up.
 * `random` is a number in [0, 1): the caller owns the randomness.
 */
export function delayAfterAttemptMs(policy: RetryPolicy, attempt: number, random: number): number | undefined {
  const delay = policy.delaysMs[attempt - 1];
  if (delay === undefined) return undefined;
  return Math.round(delay * (1 - policy.jitter + 2 * policy.jitter * random));
}

/** Exponential backoff with full jitter for reconnecting: endless, capped. `failures` starts at 1. */
export function reconnectDelayMs(failures: number, random: number, baseMs = 100, maxMs = 10_000): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 20));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}
