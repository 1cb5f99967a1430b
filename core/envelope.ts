import { ClassifiedError } from './errors.ts';
import type { Header, HeaderBlock, HeaderTexts } from './record.ts';
import { textHeader, utf8Text } from './record.ts';

/** The id of an event: the primary key of its outbox row, a UUID in lower case. */
export type EventId = string & { readonly __brand: 'EventId' };
/** The number of an event within its stream: 1, 2, 3 … without a gap. */
export type StreamVersion = bigint & { readonly __brand: 'StreamVersion' };

/** The header, `true`, of an event that was a logical message: no row of an outbox stands behind it. */
export const LOGICAL_MESSAGE_HEADER = 'logical-message';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** @throws ClassifiedError ENVELOPE_INVALID */
export function eventId(text: string): EventId {
  if (UUID.test(text)) return text as EventId;
  const lower = text.toLowerCase();
  if (!UUID.test(lower)) throw new ClassifiedError('ENVELOPE_INVALID', 'the event id is not a UUID');
  return lower as EventId;
}

/** @throws ClassifiedError ENVELOPE_INVALID when it is not a whole number of at least 1. */
export function streamVersion(value: bigint | string): StreamVersion {
  if (typeof value === 'string' && !/^\d{1,19}$/.test(value)) {
    throw new ClassifiedError('ENVELOPE_INVALID', 'the version is not a whole number');
  }
  const parsed = BigInt(value);
  if (parsed < 1n) throw new ClassifiedError('ENVELOPE_INVALID', 'the version is below 1');
  return parsed as StreamVersion;
}

/**
 * What travels beside a payload, in record headers (UTF-8 text, lower case, each name once). The key and the stream are
 * two things: `aggregateId` is the record key and keeps one user's facts in order; `streamId` and `version` belong to the
 * event-sourced aggregate, whose versions have no gap.
 */
export interface Envelope {
  readonly id: EventId;
  readonly type: string;
  readonly aggregateType: string;
  /** The record key. */
  readonly aggregateId: string;
  readonly streamId: string;
  readonly version: StreamVersion;
  /** W3C trace id, 32 hexadecimal digits. */
  readonly traceId: string;
  readonly requestId: string | undefined;
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
  /** The flow: the id of its first event. */
  readonly correlationId: string | undefined;
  /** The event that caused this one. */
  readonly causationId: string | undefined;
  /** ISO 8601 with microseconds, UTC. */
  readonly occurredAt: string;
}

/** An event that was read and understood. */
export interface EventRecord<T extends string = string, P = unknown> extends Envelope {
  readonly type: T;
  readonly payload: P;
}

/** Field by field: a spread of so many fields takes five times the memory, for every record. */
export function withPayload(envelope: Envelope, payload: unknown): EventRecord {
  return {
    id: envelope.id,
    type: envelope.type,
    aggregateType: envelope.aggregateType,
    aggregateId: envelope.aggregateId,
    streamId: envelope.streamId,
    version: envelope.version,
    traceId: envelope.traceId,
    requestId: envelope.requestId,
    traceparent: envelope.traceparent,
    tracestate: envelope.tracestate,
    correlationId: envelope.correlationId,
    causationId: envelope.causationId,
    occurredAt: envelope.occurredAt,
    payload,
  };
}

/** The header names of the envelope, in the order in which the relay writes them. */
export const ENVELOPE_HEADERS = [
  'id',
  'type',
  'aggregatetype',
  'stream_id',
  'version',
  'trace_id',
  'request_id',
  'traceparent',
  'tracestate',
  'correlation_id',
  'causation_id',
  'occurred_at',
  'content-type',
] as const;

export const CONTENT_TYPE_AVRO = 'application/vnd.confluent.avro';
export const CONTENT_TYPE_JSON = 'application/json';

export function envelopeHeaders(envelope: Envelope, contentType: string): Header[] {
  const headers: Header[] = [
    textHeader('id', envelope.id),
    textHeader('type', envelope.type),
    textHeader('aggregatetype', envelope.aggregateType),
    textHeader('stream_id', envelope.streamId),
    textHeader('version', envelope.version.toString()),
    textHeader('trace_id', envelope.traceId),
  ];
  const optional: readonly (readonly [string, string | undefined])[] = [
    ['request_id', envelope.requestId],
    ['traceparent', envelope.traceparent],
    ['tracestate', envelope.tracestate],
    ['correlation_id', envelope.correlationId],
    ['causation_id', envelope.causationId],
  ];
  for (const [name, value] of optional) if (value !== undefined) headers.push(textHeader(name, value));
  headers.push(textHeader('occurred_at', envelope.occurredAt), textHeader('content-type', contentType));
  return headers;
}

/**
 * Reads the envelope back. Tolerates what another capture leaves out when it can be known otherwise, and nothing else.
 * @throws ClassifiedError ENVELOPE_INVALID naming the header, never its value.
 */
export function parseEnvelope(headers: readonly Header[] | HeaderBlock, key: string | undefined): Envelope {
  if (key === undefined) throw new ClassifiedError('ENVELOPE_INVALID', 'the record has no key');
  const texts = TEXTS.cleared();
  if ('read' in headers) headers.read(texts);
  else for (const [name, value] of headers) texts.header(name, value === null ? undefined : utf8Text(value));
  return {
    id: eventId(texts.required('id')),
    type: texts.required('type'),
    aggregateType: texts.required('aggregatetype'),
    aggregateId: key,
    streamId: texts.required('stream_id'),
    version: streamVersion(texts.required('version')),
    traceId: texts.required('trace_id'),
    requestId: texts.optional('request_id'),
    traceparent: texts.optional('traceparent'),
    tracestate: vendorState(texts.of('tracestate')),
    correlationId: texts.optional('correlation_id'),
    causationId: texts.optional('causation_id'),
    occurredAt: instant(texts.required('occurred_at')),
  };
}

/** Printable ASCII (W3C Trace Context, section 3.3). Anything else is let go: it serves tracing only, and no event fails for it. */
const TRACESTATE = /^[\t\x20-\x7e]+$/;

function vendorState(text: string | undefined): string | undefined {
  return text !== undefined && TRACESTATE.test(text) ? text : undefined;
}

type EnvelopeHeader = (typeof ENVELOPE_HEADERS)[number];

const PLACES: ReadonlyMap<string, number> = new Map(ENVELOPE_HEADERS.map((name, place) => [name, place]));
const PLACE_OF = Object.fromEntries(PLACES) as Readonly<Record<EnvelopeHeader, number>>;

/** The text of each header of the envelope; the last one of a name counts, as Kafka's own `lastHeader` has it. */
class EnvelopeTexts implements HeaderTexts {
  private readonly texts: (string | undefined)[] = new Array<string | undefined>(ENVELOPE_HEADERS.length).fill(undefined);

  private next = 0;

  cleared(): this {
    this.texts.fill(undefined);
    this.next = 0;
    return this;
  }

  /** They mostly come in the order in which we write them. */
  header(name: string, text: string | undefined): void {
    const place = ENVELOPE_HEADERS[this.next] === name ? this.next : PLACES.get(name);
    if (place === undefined) return;
    this.texts[place] = text;
    this.next = place + 1;
  }

  of(name: EnvelopeHeader): string | undefined {
    return this.texts[PLACE_OF[name]];
  }

  optional(name: EnvelopeHeader): string | undefined {
    const text = this.of(name);
    return text === undefined ? undefined : bounded(name, text);
  }

  required(name: EnvelopeHeader): string {
    const text = this.of(name);
    if (text === undefined || text === '') throw new ClassifiedError('ENVELOPE_INVALID', `header ${name} is missing`);
    return bounded(name, text);
  }
}

/** One for all records: an envelope is read in one go, and no other one meanwhile. */
const TEXTS = new EnvelopeTexts();

/** Longer than anything that we write: a foreign record must not fill logs and columns. */
const HEADER_CHARACTERS_MAX = 128;
// eslint-disable-next-line no-control-regex -- The class of control characters, spelled out: by its name it takes three times as long.
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f-\u009f]/;

function bounded(name: string, text: string): string {
  if (text.length > HEADER_CHARACTERS_MAX || CONTROL_CHARACTER.test(text)) {
    throw new ClassifiedError(
      'ENVELOPE_INVALID',
      `header ${name} is longer than ${HEADER_CHARACTERS_MAX} characters or holds a control character`,
    );
  }
  return text;
}

/** Certainly a time: of the others, the runtime's own parser is asked, which takes longer. */
const PLAIN_INSTANT = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z$/;

function instant(text: string): string {
  if (PLAIN_INSTANT.test(text)) return text;
  if (!/^\d{4}-\d{2}-\d{2}T/.test(text) || Number.isNaN(Date.parse(text))) {
    throw new ClassifiedError('ENVELOPE_INVALID', 'header occurred_at is no ISO 8601 time');
  }
  return text;
}
