import type { ClassifiedError } from '../../core/errors.ts';
import type { ConsumedRecord, ProducerRecord } from '../../core/record.ts';
import { textHeader } from '../../core/record.ts';

const MESSAGE_BYTES_MAX = 1024;

/** Why, where and when a record was given up. */
export interface Condemnation {
  readonly group: string;
  /** The running service: who gave it up. */
  readonly service: string;
  readonly error: ClassifiedError;
  /** Counted attempts, the last one included. */
  readonly attempts: number;
  /** Milliseconds since the epoch. */
  readonly firstFailedAtMs: number;
  readonly failedAtMs: number;
}

/**
 * The dead letter of a record: its key, value and headers untouched, in the same order, and `dlt-*` text headers behind
 * them. The message is the classified one, which never holds a payload. The letter gets the time of its writing, because
 * the topic keeps letters by their age and not by their event's; the record's own time is in `dlt-original-timestamp`.
 */
export function deadLetter(record: ConsumedRecord, topic: string, why: Condemnation): ProducerRecord {
  return {
    topic,
    partition: record.partition,
    key: record.key,
    value: record.value,
    headers: [
      ...record.headers,
      textHeader('dlt-original-topic', record.topic),
      textHeader('dlt-original-partition', record.partition.toString()),
      textHeader('dlt-original-offset', record.offset.toString()),
      textHeader('dlt-original-timestamp', record.timestampMs.toString()),
      textHeader('dlt-consumer-group', why.group),
      textHeader('dlt-error-class', why.error.disposition),
      textHeader('dlt-error-code', why.error.code),
      textHeader('dlt-error-message', capped(why.error.message)),
      textHeader('dlt-attempts', why.attempts.toString()),
      textHeader('dlt-first-failed-at', new Date(why.firstFailedAtMs).toISOString()),
      textHeader('dlt-failed-at', new Date(why.failedAtMs).toISOString()),
      textHeader('dlt-service', why.service),
    ],
  };
}

/** At most 1 KiB of UTF-8, cut between characters. */
function capped(message: string): string {
  const { read } = new TextEncoder().encodeInto(message, new Uint8Array(MESSAGE_BYTES_MAX));
  return message.slice(0, read);
}
