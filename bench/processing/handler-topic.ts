import type { BrokerAdmin, Producer } from '../../core/broker.ts';
import { CONTENT_TYPE_AVRO, envelopeHeaders, eventId, streamVersion } from '../../core/envelope.ts';
import type { Header, ProducerRecord } from '../../core/record.ts';
import { utf8 } from '../../core/record.ts';
import { createAvroEncoder } from '../../schemas/codec.ts';
import { schemaOf } from '../../schemas/event-schema.ts';

export const EVENT_TYPE = 'ImageRegistered';
export const SCHEMA_ID = 1;
export const PARTITIONS = 12;

const VALUE_BYTES = 200;
const RECORDS_PER_SEND = 5_000;

export interface FilledTopic {
  readonly topic: string;
  readonly records: number;
  readonly keys: number;
}

/** The key `user-17` is number 17. */
export function keyNumber(key: string): number {
  return Number(key.slice(KEY_PREFIX.length));
}

const KEY_PREFIX = 'user-';

/** Fills a topic with records, the keys in turn. */
export async function fillTopic(
  { topic, records, keys }: FilledTopic,
  { admin, producer }: { readonly admin: BrokerAdmin; readonly producer: Pick<Producer, 'send'> },
): Promise<void> {
  await admin.ensureTopics([{ topic, partitions: PARTITIONS, retentionMs: 86_400_000, replicationFactor: 1 }]);
  for (let next = 0; next < records; next += RECORDS_PER_SEND) {
    const count = Math.min(RECORDS_PER_SEND, records - next);
    await producer.send(await Promise.all(Array.from({ length: count }, (_, index) => recordOf(topic, next + index, keys))));
  }
}

const encoder = createAvroEncoder({ registry: { idOf: async () => SCHEMA_ID }, subjectOf: () => EVENT_TYPE, schemaOf });

/** The record of that number as a relay writes it: the envelope in the headers, an Avro frame of 200 bytes as the value. */
export async function recordOf(topic: string, n: number, keys: number): Promise<ProducerRecord> {
  const key = `${KEY_PREFIX}${n % keys}`;
  const { value } = await encoder.encode(EVENT_TYPE, utf8(payloadJson(n, key)));
  return { topic, key: utf8(key), value, headers: headersOf(n, key, Math.floor(n / keys)) };
}

/** An address as long as makes the frame 200 bytes: 5 in front of the body, and a length of 1 or 2 bytes before each text. */
function payloadJson(n: number, key: string): string {
  const image_id = uuid(n);
  const rest = 5 + (1 + image_id.length) + (1 + key.length) + 2;
  return JSON.stringify({ image_id, user_id: key, cdn_url: 'https://cdn.example/'.padEnd(VALUE_BYTES - rest, 'x') });
}

function headersOf(n: number, key: string, before: number): readonly Header[] {
  const id = uuid(n);
  const traceId = (n + 1).toString(16).padStart(32, '0');
  return envelopeHeaders(
    {
      id: eventId(id),
      type: EVENT_TYPE,
      aggregateType: 'image',
      aggregateId: key,
      streamId: key,
      version: streamVersion(BigInt(before + 1)),
      traceId,
      requestId: id,
      traceparent: `00-${traceId}-${(n + 1).toString(16).padStart(16, '0')}-01`,
      tracestate: undefined,
      correlationId: id,
      causationId: undefined,
      occurredAt: '2026-03-01T09:00:00.123456Z',
    },
    CONTENT_TYPE_AVRO,
  );
}

function uuid(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
}
