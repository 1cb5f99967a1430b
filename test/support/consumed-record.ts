import { CONTENT_TYPE_JSON, envelopeHeaders, eventId, streamVersion } from '../../core/envelope.ts';
import { offset } from '../../core/offset.ts';
import type { ConsumedRecord, Header } from '../../core/record.ts';
import { utf8 } from '../../core/record.ts';

interface RecordFacts {
  readonly at: number;
  readonly key?: string | null;
  readonly type?: string;
  readonly topic?: string;
  readonly partition?: number;
  readonly value?: unknown;
}

/** An event as a consumer reads it, in plain JSON; its id follows from topic, partition and offset. */
export function consumedRecord({
  at,
  key = 'u1',
  type = 'Happened',
  topic = 'events.happened',
  partition = 0,
  value,
}: RecordFacts): ConsumedRecord {
  return {
    topic,
    partition,
    offset: offset(BigInt(at)),
    key: key === null ? null : utf8(key),
    value: utf8(JSON.stringify(value ?? { n: at })),
    headers: eventHeaders({
      id: `00000000-0000-4000-8000-${partition.toString(16).padStart(4, '0')}${at.toString(16).padStart(8, '0')}`,
      type,
      streamId: key ?? 'none',
    }),
    timestampMs: 1_772_355_600_000 + at,
  };
}

export function eventHeaders(facts: { readonly id: string; readonly type: string; readonly streamId: string }): Header[] {
  return envelopeHeaders(
    {
      id: eventId(facts.id),
      type: facts.type,
      aggregateType: 'test',
      aggregateId: facts.streamId,
      streamId: facts.streamId,
      version: streamVersion(1n),
      traceId: '0af7651916cd43dd8448eb211c80319c',
      requestId: undefined,
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: undefined,
      correlationId: undefined,
      causationId: undefined,
      occurredAt: '2026-03-01T08:59:59.000001Z',
    },
    CONTENT_TYPE_JSON,
  );
}
