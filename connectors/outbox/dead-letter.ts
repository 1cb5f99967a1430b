import type { DeadLetterDialect } from '../../core/dead-letter-dialect.ts';
import { dialectHeaders } from '../../core/dead-letter-dialect.ts';
import { CONTENT_TYPE_JSON } from '../../core/envelope.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import type { Lsn } from '../../core/lsn.ts';
import { formatLsn } from '../../core/lsn.ts';
import type { Names } from '../../core/names.ts';
import type { Header } from '../../core/record.ts';
import { textHeader } from '../../core/record.ts';
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
 * headers. A row is still in the outbox table, under the event's id, until its day is dropped; a table-less event is nowhere
 * else, and its payload is lost.
 */
export function withoutPayload(letter: RecordTail): RecordTail {
  const headers = letter.headers.filter(([, value]) => value === null || value.length <= HEADER_BYTES_MAX);
  headers.push(textHeader('dlt-payload', 'outbox'), textHeader('dlt-payload-bytes', String(letter.value?.length ?? 0)));
  return { ...letter, value: null, headers };
}

const HEADER_BYTES_MAX = 1024;
