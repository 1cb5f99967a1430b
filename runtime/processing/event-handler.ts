import type { Dependency } from '../../core/dependency.ts';
import type { EventRecord } from '../../core/envelope.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import type { Offset } from '../../core/offset.ts';
import type { HandlerResult } from '../../core/outcome.ts';

/** What the loop tells a handler beside the event. */
export interface HandlerContext {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: Offset;
  /**
   * The record's own timestamp, in milliseconds since the epoch. Undefined: it comes from where records wait, and whoever gave it
   * back has looked at its age.
   */
  readonly recordedAtMs: number | undefined;
  /** Aborted at the deadline and when the partition is taken away; whatever the handler returns after that is ignored. */
  readonly signal: AbortSignal;
  /** Milliseconds on the clock's monotonic scale. */
  readonly deadlineMs: number;
  /** 1 for the first one. Waiting for a dependency that is away uses up none. */
  readonly attempt: number;
  /** No further attempt follows when this one fails in a way that is counted. */
  readonly lastAttempt: boolean;
  /** Says what the handler waits for from now on; what it waited for before has answered. */
  awaiting(dependency: Dependency): void;
  /** Says that what it waited for has not answered, and that it goes on without. */
  unanswered(): void;
  /** The dependency has failed for this record while it answered others: the record shares nothing with others there. */
  isolated(dependency: Dependency): boolean;
  /**
   * The error; or, when it is an outage that this record makes itself (others were answered between its tries), the counted
   * failure in its place, CALL_FAILED for a call. Of use to a handler that goes on after a failure: what it returns is asked anyway.
   */
  blame(error: ClassifiedError): ClassifiedError;
}

/**
 * What a group does with one event. Events of one key come one at a time and in order; those of different keys at once.
 * It resolves with `acked` only when its effect is durable. A rejection counts as HANDLER_FAILED unless it is classified.
 * The same event may come again (after a crash, a rebalance or a late finish): the effect must be idempotent.
 */
export type EventHandler = (event: EventRecord, context: HandlerContext) => Promise<HandlerResult>;
