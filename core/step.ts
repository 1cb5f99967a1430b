import type { AggregateDefinition, Decision, RowQuery } from './define.ts';
import type { JsonObject } from './json.ts';
import type { Cause } from './unit-of-work.ts';

/** A reaction that is ready for its transaction: the event is known, a declared call has ended. */
export interface Step {
  /** `<domain>:<event type>`. */
  readonly name: string;
  readonly idempotencyKey: string;
  readonly aggregate: AggregateDefinition<unknown>;
  readonly aggregateId: string;
  readonly cause: Cause;
  /** Who holds this name decides alone, in any process of the domain; left out: nobody is waited for. */
  readonly lock?: string;
  /** Read under the lock. */
  readonly rows?: RowQuery;
  /** It shares a transaction with nobody: it may be what breaks the connection. */
  readonly isolated?: boolean;
  /** When its work began: milliseconds on the clock's monotonic scale. */
  readonly startedMs: number;
  /** Pure, and called again when another writer was faster. A ClassifiedError is the step's failure, anything else DECISION_FAILED. */
  decide(state: unknown, rows: readonly JsonObject[]): Decision;
}

export type StepOutcome =
  { readonly kind: 'committed'; /** How many were appended. */ readonly events: number } | { readonly kind: 'repeated' };

/**
 * Takes steps through their transactions: inbox mark, state, events and outbox rows of a step are committed together or not
 * at all. What steps have in common is the implementation's business: the failure of one is never another one's.
 */
export interface Steps {
  /**
   * Resolves when the step is durable, or was so before under the same key. Rejects with a ClassifiedError when nothing of it
   * is, except that a connection lost at the wrong moment (POSTGRES_UNAVAILABLE) leaves it unknown, which the key absorbs.
   * A step that has not begun when the signal aborts is left out, and rejects with the signal's reason.
   */
  commit(step: Step, signal: AbortSignal): Promise<StepOutcome>;
}
