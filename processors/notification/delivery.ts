import type { NotificationResult } from '../../core/calls.ts';
import type { AggregateDefinition, Decision } from '../../core/define.ts';
import type { EventRecord } from '../../core/envelope.ts';
import { ClassifiedError } from '../../core/errors.ts';

/** A delivery is a row and has no history: this domain is not event sourced and publishes nothing. */
export const deliveryAggregate: AggregateDefinition<null, never> = {
  type: 'delivery',
  initial: () => null,
  evolve: (state) => state,
  tables: () => [],
};

export const NOTIFY_TIMEOUT_MS = 5_000;

/** One delivery per event that tells a user something; the event's id is the delivery's. */
export function deliveryId(event: EventRecord): string {
  return event.id;
}

export function deliveryKey(event: EventRecord): string {
  return `notify:${event.id}`;
}

/** What was tried, and what became of it. The database gives the time: a decision has no clock. */
export function delivered(
  event: EventRecord<string, { readonly user_id: string }>,
  kind: string,
  result: NotificationResult | undefined,
): Decision {
  if (result === undefined) throw new ClassifiedError('DECISION_FAILED', 'a delivery cannot be recorded before it was tried');
  const reason = result.kind === 'rejected' ? result.reason : null;
  const set = { user_id: event.payload.user_id, kind, status: result.kind, reason, event_id: event.id };
  return {
    events: [],
    changes: [{ op: 'upsert', table: 'deliveries', key: { delivery_id: deliveryId(event) }, set }],
    result: { status: result.kind },
  };
}
