import type { DeadLetterDialect } from '../../core/dead-letter-dialect.ts';
import { dialectHeaders } from '../../core/dead-letter-dialect.ts';
import { CONTENT_TYPE_JSON } from '../../core/envelope.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import type { Lsn } from '../../core/lsn.ts';
import { formatLsn } from '../../core/lsn.ts';
import type { Names } from '../../core/names.ts';
import type { Header } from '../../core/record.ts';
import { headerText, textHeader } from '../../core/record.ts';
import type { RecordTail } from './batch-records.ts';
import type { OutboxRow } from './outbox-row.ts';
import { framedContentType } from './record-tail.ts';
import { namedTopic, readableHeaders } from './route.ts';

export interface DeadLetterContext {
  readonly service: string;
  readonly failedAtMs: number;
  readonly commitLsn: Lsn;
  /** Whose headers the letter carries beside our own. */
  readonly dialects: readonly DeadLetterDialect[];
}

/**
 * A row that cannot be published, for the capture's dead-letter topic: key and payload bytes as they are, the headers that
 * could be read, and `dlt-*` text headers that say why, where and when. Its record's time is that of the failure, so that
 * the topic keeps it by that.
 */
export function letterOfRow(row: OutboxRow, error: ClassifiedError, names: Names, context: DeadLetterContext): RecordTail {
  const headers = readableHeaders(row);
  const value = row.payload();
  if (value !== null) {
    headers.push(textHeader('content-type', row.payloadIsBinary ? framedContentType(value[0]) : CONTENT_TYPE_JSON));
  }
  const key = row.text('aggregateid');
  const topic = namedTopic(row, names);
  return { key: key === null ? null : Buffer.from(key), value, headers: [...headers, ...reasons(error, topic, context)] };
}

/** A record that Kafka refused, as it was sent; in memory of its own. */
export function letterOfRecord(record: RecordTail, topic: string, error: ClassifiedError, context: DeadLetterContext): RecordTail {
  const copied = (bytes: Uint8Array | null): Uint8Array | null => (bytes === null ? null : Uint8Array.from(bytes));
  const headers = record.headers.map(([name, value]): Header => [name, copied(value)]);
  return { key: copied(record.key), value: copied(record.value), headers: [...headers, ...reasons(error, topic, context)] };
}

/** Bytes of which nothing can be told but themselves. */
export function letterOfBytes(bytes: Uint8Array, error: ClassifiedError, context: DeadLetterContext): RecordTail {
  const headers = [textHeader('content-type', framedContentType(bytes[0])), ...reasons(error, null, context)];
  return { key: null, value: Uint8Array.from(bytes), headers };
}

function reasons(error: ClassifiedError, topic: string | null, { service, failedAtMs, commitLsn, dialects }: DeadLetterContext): Header[] {
  return [
    ...(topic === null ? [] : [textHeader('dlt-original-topic', topic)]),
    textHeader('dlt-error-class', error.disposition),
    textHeader('dlt-error-code', error.code),
    textHeader('dlt-error-message', error.message),
    textHeader('dlt-failed-at', new Date(failedAtMs).toISOString()),
    textHeader('dlt-service', service),
    textHeader('dlt-lsn', formatLsn(commitLsn)),
    ...dialectHeaders(dialects, { topic: topic ?? undefined, reader: service, service, error }),
  ];
}

/**
 * The same letter when the dead-letter topic, too, refuses it for its size: without the payload and without oversize
 * headers. Its row is still in the outbox table, under the event's id, until its day is dropped.
 */
export function withoutPayload(letter: RecordTail): RecordTail {
  const headers = smallHeaders(letter);
  headers.push(textHeader('dlt-payload', 'outbox'), textHeader('dlt-payload-bytes', String(letter.value?.length ?? 0)));
  return { ...letter, value: null, headers };
}

/**
 * The same letter as two with half of the payload each, when there is no row to find the payload in. Each says which bytes of
 * which length it holds (`dlt-payload-range`, as HTTP's Content-Range writes it); they have one key, so that they stay in order.
 * Undefined when there is nothing to divide: then its headers are too much.
 */
export function halvesOf(letter: RecordTail): readonly [RecordTail, RecordTail] | undefined {
  const { value } = letter;
  if (value === null || value.length < 2) return undefined;
  const { from, total } = rangeOf(letter);
  const middle = Math.ceil(value.length / 2);
  const headers = smallHeaders(letter).filter(([name]) => name !== 'dlt-payload' && name !== RANGE);
  const part = (start: number, end: number): RecordTail => ({
    key: letter.key,
    value: value.subarray(start, end),
    headers: [...headers, textHeader('dlt-payload', 'part'), textHeader(RANGE, `bytes ${from + start}-${from + end - 1}/${total}`)],
  });
  return [part(0, middle), part(middle, value.length)];
}

const RANGE = 'dlt-payload-range';
const HEADER_BYTES_MAX = 1024;

function smallHeaders({ headers }: RecordTail): Header[] {
  return headers.filter(([, value]) => value === null || value.length <= HEADER_BYTES_MAX);
}

/** Of a letter that is whole, everything. */
function rangeOf({ headers, value }: RecordTail): { readonly from: number; readonly total: number } {
  const [, from, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headerText(headers, RANGE) ?? '') ?? [];
  return { from: Number(from ?? 0), total: Number(total ?? value?.length ?? 0) };
}
