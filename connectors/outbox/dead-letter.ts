import { CONTENT_TYPE_JSON } from '../../core/envelope.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import type { Lsn } from '../../core/lsn.ts';
import { formatLsn } from '../../core/lsn.ts';
import type { Names } from '../../core/names.ts';
import type { Header, ProducerRecord } from '../../core/record.ts';
import { textHeader, utf8Text } from '../../core/record.ts';
import type { OutboxRow } from './outbox-row.ts';
import { framedPayload, readableHeaders } from './route.ts';

export interface DeadLetterContext {
  readonly names: Names;
  readonly domain: string;
  readonly service: string;
  readonly failedAtMs: number;
  readonly commitLsn: Lsn;
}

/**
 * A row that cannot be published, for the capture's dead-letter topic: key and payload bytes as they are, the headers that
 * could be read, and `dlt-*` text headers that say why, where and when. It carries no timestamp, so that the topic keeps
 * it by the time of the failure.
 */
export function deadLetterRecord(row: OutboxRow, error: ClassifiedError, context: DeadLetterContext): ProducerRecord {
  const headers: Header[] = readableHeaders(row);
  if (row.payload !== null) {
    headers.push(textHeader('content-type', row.payloadIsBinary ? framedPayload(row.payload).contentType : CONTENT_TYPE_JSON));
  }
  if (row.topic !== null) headers.push(textHeader('dlt-original-topic', context.names.eventTopic(utf8Text(row.topic))));
  headers.push(
    textHeader('dlt-error-class', error.disposition),
    textHeader('dlt-error-code', error.code),
    textHeader('dlt-error-message', error.message),
    textHeader('dlt-failed-at', new Date(context.failedAtMs).toISOString()),
    textHeader('dlt-service', context.service),
    textHeader('dlt-lsn', formatLsn(context.commitLsn)),
  );
  return { topic: context.names.captureDeadLetterTopic(context.domain), key: row.aggregateid, value: row.payload, headers };
}

/**
 * The same letter when the dead-letter topic, too, refuses it for its size: without the payload and without oversize
 * headers. The row itself is still in the outbox table, under the event's id.
 */
export function withoutPayload(letter: ProducerRecord): ProducerRecord {
  const headers = letter.headers.filter(([, value]) => value === null || value.length <= HEADER_BYTES_MAX);
  headers.push(textHeader('dlt-payload', 'outbox'), textHeader('dlt-payload-bytes', String(letter.value?.length ?? 0)));
  return { ...letter, value: null, headers };
}

const HEADER_BYTES_MAX = 1024;
