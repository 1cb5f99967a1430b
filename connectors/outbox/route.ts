import type { EncodedPayload } from '../../core/codec.ts';
import { CONTENT_TYPE_AVRO, CONTENT_TYPE_JSON } from '../../core/envelope.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Names } from '../../core/names.ts';
import type { Header, ProducerRecord } from '../../core/record.ts';
import { utf8, utf8Text } from '../../core/record.ts';
import { occurredAt } from './occurred-at.ts';
import type { OutboxRow } from './outbox-row.ts';
import { requiredColumn } from './outbox-row.ts';

/** The record that a row becomes, but for its value. */
export interface RoutedRow {
  readonly topic: string;
  readonly key: Uint8Array;
  /** Without the content type, which follows from the value. */
  readonly headers: readonly Header[];
  readonly type: string;
  readonly payload: Uint8Array;
  readonly payloadIsBinary: boolean;
}

/** Finds the topic of a row: `undefined` when the pipeline declares none by that route. */
export type TopicOfRoute = (route: string) => string | undefined;

/** @param routes what follows `events.` in the names of the declared topics: `image.registered`. */
export function declaredTopics(names: Names, routes: ReadonlySet<string>): TopicOfRoute {
  const topics = new Map([...routes].map((route) => [route, names.eventTopic(route)]));
  return (route) => topics.get(route);
}

/**
 * The one rule by which an outbox row becomes a record: the topic is what the row says, if the pipeline declares it; the
 * key is `aggregateid`; the envelope goes into text headers, in its own order, empty ones left out.
 * @throws ClassifiedError EVENT_UNROUTABLE, ENVELOPE_INVALID, PAYLOAD_INVALID; never with a value in the message.
 */
export function routeRow(row: OutboxRow, topicOf: TopicOfRoute): RoutedRow {
  const topic = row.topic === null ? undefined : topicOf(utf8Text(row.topic));
  if (topic === undefined) {
    const what = row.topic === null ? 'no topic' : 'a topic that is not declared';
    throw new ClassifiedError('EVENT_UNROUTABLE', `the outbox row names ${what}`);
  }
  const headers: Header[] = [
    ['id', requiredColumn(row, 'id')],
    ['type', requiredColumn(row, 'type')],
    ['aggregatetype', requiredColumn(row, 'aggregatetype')],
    ['stream_id', requiredColumn(row, 'stream_id')],
    ['version', requiredColumn(row, 'version')],
    ['trace_id', requiredColumn(row, 'trace_id')],
  ];
  addOptionalHeaders(headers, row);
  headers.push(['occurred_at', occurredAt(requiredColumn(row, 'created_at'))]);
  if (row.payload === null) throw new ClassifiedError('PAYLOAD_INVALID', 'the outbox row has no payload');
  return {
    topic,
    key: requiredColumn(row, 'aggregateid'),
    headers,
    type: utf8Text(requiredColumn(row, 'type')),
    payload: row.payload,
    payloadIsBinary: row.payloadIsBinary,
  };
}

/** @param timestampMs the time of the commit. */
export function eventRecord(routed: RoutedRow, encoded: EncodedPayload, timestampMs: number): ProducerRecord {
  return {
    topic: routed.topic,
    key: routed.key,
    value: encoded.value,
    headers: [...routed.headers, ['content-type', utf8(encoded.contentType)]],
    timestampMs,
  };
}

/** A payload that was framed when it was appended is copied; its first byte tells what it is. */
export function framedPayload(payload: Uint8Array): EncodedPayload {
  return { value: payload, contentType: payload[0] === 0 ? CONTENT_TYPE_AVRO : CONTENT_TYPE_JSON };
}

/** The headers of a row that may lack any of them: for a dead letter. */
export function readableHeaders(row: OutboxRow): Header[] {
  const headers: Header[] = [];
  for (const name of ['id', 'type', 'aggregatetype', 'stream_id', 'version', 'trace_id'] as const) addHeader(headers, row, name);
  addOptionalHeaders(headers, row);
  if (row.created_at !== null) headers.push(['occurred_at', readableOccurredAt(row.created_at)]);
  return headers;
}

function addOptionalHeaders(headers: Header[], row: OutboxRow): void {
  for (const name of ['request_id', 'traceparent', 'tracestate', 'correlation_id', 'causation_id'] as const) addHeader(headers, row, name);
}

function addHeader(headers: Header[], row: OutboxRow, name: Exclude<keyof OutboxRow, 'payloadIsBinary'>): void {
  const value = row[name];
  if (value !== null) headers.push([name, value]);
}

function readableOccurredAt(text: Uint8Array): Uint8Array {
  try {
    return occurredAt(text);
  } catch (thrown) {
    if (thrown instanceof ClassifiedError) return text;
    throw thrown;
  }
}
