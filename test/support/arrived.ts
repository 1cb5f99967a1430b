import type { EventDefinition } from '../../core/define.ts';
import type { EventRecord } from '../../core/envelope.ts';
import { eventId, streamVersion } from '../../core/envelope.ts';

/** An event as a reaction receives it. What the test does not care about has a fixed value, the same every time. */
export function arrived<T extends string, P extends object>(
  definition: EventDefinition<T, P>,
  payload: P,
  envelope: Partial<Omit<EventRecord, 'type' | 'payload'>> = {},
): EventRecord<T, P> {
  const key = (payload as Readonly<Record<string, unknown>>)[definition.keyField];
  if (typeof key !== 'string') throw new RangeError(`${definition.type}: ${definition.keyField} is not a text`);
  return {
    id: eventId('0e000000-0000-4000-8000-000000000001'),
    aggregateType: definition.domain,
    aggregateId: key,
    streamId: key,
    version: streamVersion(1n),
    traceId: '0af7651916cd43dd8448eb211c80319c',
    requestId: undefined,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: undefined,
    correlationId: undefined,
    causationId: undefined,
    occurredAt: '2026-03-01T08:59:59.000001Z',
    ...envelope,
    type: definition.type,
    payload,
  };
}
