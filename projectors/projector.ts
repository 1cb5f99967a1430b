import type { Clock } from '../core/clock.ts';
import type { EventRecord } from '../core/envelope.ts';
import type { Metrics } from '../core/metrics.ts';
import type { HandlerResult } from '../core/outcome.ts';

export interface ProjectorContext {
  readonly signal: AbortSignal;
}

/** Writes one read model. Safe for concurrent calls, which share round trips; one key's events may come in parallel too. */
export interface Projector {
  /**
   * Resolves, and never rejects, when the event's effect is durable in the store: `acked`; `skipped` (stale-version) when
   * a later or the same version was there before; `skipped` (not-wanted) when it touches no document; `failed` with
   * REDIS_UNAVAILABLE, ELASTICSEARCH_UNAVAILABLE, POSTGRES_UNAVAILABLE (history), VERSION_CONFLICT, DOCUMENT_INVALID, or
   * HANDLER_TIMEOUT when the signal was aborted before the write began. After a failure any part may have been written;
   * the guard makes the next attempt complete it.
   */
  handle(event: EventRecord, context?: ProjectorContext): Promise<HandlerResult>;
  /** Makes what the read model needs on the server; returns what it changed, empty the second time. */
  ensure(): Promise<readonly string[]>;
}

/** Counts an event whose effect is durable, and its age at that moment. */
export function measureProjected(metrics: Metrics, clock: Clock, projection: string, event: EventRecord): void {
  metrics.count('millrace_projected_total', { projection });
  const occurredMs = Date.parse(event.occurredAt);
  if (Number.isNaN(occurredMs)) return;
  metrics.observe('millrace_projection_latency_seconds', { projection }, Math.max(0, (clock.nowMs() - occurredMs) / 1000));
}
