import type { EventOf } from '../../core/define.ts';
import { eventId, streamVersion } from '../../core/envelope.ts';
import { characterAcquired } from '../../schemas/catalogue.ts';

/** What a step reacts to, as it comes from Kafka: no two have the same id. */
export function acquiredEvent(serial: number, user: number): EventOf<typeof characterAcquired> {
  const user_id = `user-${user}`;
  const id = eventId(`00000000-0000-4000-8000-${serial.toString(16).padStart(12, '0')}`);
  return {
    id,
    type: characterAcquired.type,
    aggregateType: 'character',
    aggregateId: user_id,
    streamId: user_id,
    version: streamVersion(1n),
    traceId: '0af7651916cd43dd8448eb211c80319c',
    requestId: 'request-1',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: undefined,
    correlationId: id,
    causationId: undefined,
    occurredAt: '2026-03-01T09:00:00.123456Z',
    payload: {
      user_id,
      character_id: '06c96f3e-3b4c-577c-92f2-de80dadbc662',
      character_name: 'Petri',
      source: 'scan',
      source_id: id,
    },
  };
}
