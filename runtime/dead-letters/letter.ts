import type { Offset } from '../../core/offset.ts';
import { offset } from '../../core/offset.ts';
import type { ConsumedRecord, Header, TopicPartition } from '../../core/record.ts';
import { utf8Text } from '../../core/record.ts';

/** The place of a letter in its dead-letter topic. */
export interface LetterPlace extends TopicPartition {
  readonly offset: Offset;
}

/** The place of the record that the letter was, in the topic that its group reads. */
export interface Origin extends LetterPlace {
  /** The record's own time, milliseconds since the epoch. */
  readonly timestampMs: number;
}

/** The letter's value is a part of the payload. */
export interface KeptPart {
  readonly kind: 'part';
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  readonly total: number;
}

/** What a capture kept of a payload that its dead-letter topic refused for its size. */
export type KeptPayload =
  | KeptPart
  /** Nothing: its row is in the outbox until its day is dropped. */
  | { readonly kind: 'outbox'; readonly bytes: number };

/**
 * What a record of a dead-letter topic says. Texts come from headers that anybody may have written: they are cut and hold
 * no control character, and whatever is missing is undefined.
 */
export interface Letter {
  readonly place: LetterPlace;
  /** Milliseconds since the epoch. */
  readonly writtenAtMs: number;
  /** Undefined for a letter of the capture, and for one that is not ours. */
  readonly origin: Origin | undefined;
  readonly group: string | undefined;
  readonly errorClass: string | undefined;
  readonly errorCode: string;
  readonly errorMessage: string;
  readonly attempts: number | undefined;
  /** ISO 8601, UTC. */
  readonly firstFailedAt: string | undefined;
  readonly service: string | undefined;
  readonly type: string | undefined;
  readonly eventId: string | undefined;
  readonly traceId: string | undefined;
  /** The first letter of this record, when it was replayed before. */
  readonly replayOf: string | undefined;
  readonly replays: number;
  readonly firstErrorCode: string | undefined;
  /** Undefined: the value is the payload. */
  readonly kept: KeptPayload | undefined;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** As the record had them, without what the letter added. */
  readonly headers: readonly Header[];
  readonly timestampMs: number;
}

/** The code of a letter that says none: somebody else wrote it. */
export const CODE_UNKNOWN = 'UNKNOWN';

/** Never throws: what cannot be understood is left out. */
export function readLetter(record: ConsumedRecord): Letter {
  const added = addedFrom(record.headers);
  const headers = record.headers.slice(0, added);
  const said = textsOf(record.headers.slice(added));
  const own = textsOf(headers);
  return {
    place: { topic: record.topic, partition: record.partition, offset: record.offset },
    writtenAtMs: record.timestampMs,
    origin: originOf(said),
    group: said('dlt-consumer-group'),
    errorClass: said('dlt-error-class'),
    errorCode: said('dlt-error-code') ?? CODE_UNKNOWN,
    errorMessage: said('dlt-error-message') ?? '',
    attempts: wholeNumber(said('dlt-attempts')),
    firstFailedAt: instant(said('dlt-first-failed-at')) ?? instant(said('dlt-failed-at')),
    service: said('dlt-service'),
    type: own('type'),
    eventId: own('id'),
    traceId: own('trace_id'),
    replayOf: said('dlt-replay-of'),
    replays: wholeNumber(said('dlt-replays')) ?? 0,
    firstErrorCode: said('dlt-first-error-code'),
    kept: keptOf(said),
    key: record.key,
    value: record.value,
    headers,
    timestampMs: record.timestampMs,
  };
}

/** The record as its group read it; undefined when the letter does not say where it was. */
export function originalRecord({ origin, key, value, headers }: Letter): ConsumedRecord | undefined {
  return origin === undefined ? undefined : { ...origin, key, value, headers };
}

export function formatPlace({ topic, partition, offset: at }: LetterPlace): string {
  return `${topic}/${partition}/${at}`;
}

/** Reads `<topic>/<partition>/<offset>`; undefined when it is something else. */
export function parsePlace(text: string): LetterPlace | undefined {
  const [, topic, partition, at] = /^([A-Za-z0-9._-]{1,249})\/(\d{1,9})\/(\d{1,18})$/.exec(text) ?? [];
  if (topic === undefined || partition === undefined || at === undefined) return undefined;
  return { topic, partition: Number(partition), offset: offset(at) };
}

/** The letter's own headers begin with the last one of these: those before it are the record's, whatever their names. */
const FIRST_ADDED = ['dlt-original-topic', 'dlt-error-class'];

function addedFrom(headers: readonly Header[]): number {
  const names = headers.map(([name]) => name);
  for (const name of FIRST_ADDED) {
    const index = names.lastIndexOf(name);
    if (index >= 0) return index;
  }
  return headers.length;
}

function originOf(said: (name: string) => string | undefined): Origin | undefined {
  const topic = said('dlt-original-topic');
  const partition = wholeNumber(said('dlt-original-partition'));
  const at = said('dlt-original-offset');
  const timestampMs = wholeNumber(said('dlt-original-timestamp'));
  if (topic === undefined || partition === undefined || timestampMs === undefined) return undefined;
  if (at === undefined || !/^\d{1,18}$/.test(at)) return undefined;
  return { topic, partition, offset: offset(at), timestampMs };
}

function keptOf(said: (name: string) => string | undefined): KeptPayload | undefined {
  const kind = said('dlt-payload');
  if (kind === 'outbox') return { kind, bytes: wholeNumber(said('dlt-payload-bytes')) ?? 0 };
  const [, from, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(said('dlt-payload-range') ?? '') ?? [];
  if (kind !== 'part' || from === undefined) return undefined;
  return { kind, from: Number(from), to: Number(last) + 1, total: Number(total) };
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function instant(text: string | undefined): string | undefined {
  return text === undefined || Number.isNaN(Date.parse(text)) ? undefined : text;
}

/** Of each name the last header, as text; undefined when it is missing or null. */
function textsOf(headers: readonly Header[]): (name: string) => string | undefined {
  const byName = new Map(headers);
  return (name) => {
    const value = byName.get(name);
    return value === undefined || value === null ? undefined : bounded(utf8Text(value));
  };
}

const CHARACTERS_MAX = 1024;

function bounded(text: string): string {
  return text.slice(0, CHARACTERS_MAX).replaceAll(/\p{Cc}/gu, '?');
}

/** The key as text; what is no UTF-8 becomes the replacement character. */
export function keyText(key: Uint8Array | null): string | undefined {
  return key === null ? undefined : bounded(utf8Text(key));
}
