import type { DeadLetterDialect } from '../../core/dead-letter-dialect.ts';
import { dialectHeaders, failureMessage } from '../../core/dead-letter-dialect.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import type { ConsumedRecord, Header, ProducerRecord } from '../../core/record.ts';
import { textHeader } from '../../core/record.ts';
import type { FormerLife } from './former-life.ts';
import { splitFormerLife } from './former-life.ts';

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
 * them, then those of the dialects. The message is the classified one, which never holds a payload. The letter gets the time
 * of its writing, because the topic keeps letters by their age and not by their event's; the record's own time is in
 * `dlt-original-timestamp`. A record that was replayed says in its letter which one it was first, and since when it fails.
 */
export function deadLetter(
  record: ConsumedRecord,
  topic: string,
  why: Condemnation,
  dialects: readonly DeadLetterDialect[] = [],
): ProducerRecord {
  const { own, life } = splitFormerLife(record.headers);
  // By name: what an adapter makes of a record only when it is asked for is no property of its own, and not spread.
  const { partition, offset, timestampMs } = record;
  const facts = { ...why, topic: record.topic, partition, offset, timestampMs, reader: why.group };
  return {
    topic,
    partition,
    key: record.key,
    value: record.value,
    headers: [...own, ...ownHeaders(record, why, life), ...dialectHeaders(dialects, facts)],
  };
}

function ownHeaders(record: ConsumedRecord, why: Condemnation, life: FormerLife | undefined): Header[] {
  return [
    textHeader('dlt-original-topic', record.topic),
    textHeader('dlt-original-partition', record.partition.toString()),
    textHeader('dlt-original-offset', record.offset.toString()),
    textHeader('dlt-original-timestamp', record.timestampMs.toString()),
    textHeader('dlt-consumer-group', why.group),
    textHeader('dlt-error-class', why.error.disposition),
    textHeader('dlt-error-code', why.error.code),
    textHeader('dlt-error-message', failureMessage(why.error)),
    textHeader('dlt-attempts', why.attempts.toString()),
    textHeader('dlt-first-failed-at', life?.firstFailedAt ?? new Date(why.firstFailedAtMs).toISOString()),
    textHeader('dlt-failed-at', new Date(why.failedAtMs).toISOString()),
    textHeader('dlt-service', why.service),
    ...(life === undefined ? [] : formerHeaders(life)),
  ];
}

function formerHeaders({ letter, replays, firstErrorCode }: FormerLife): Header[] {
  return [
    textHeader('dlt-replay-of', letter),
    textHeader('dlt-replays', replays.toString()),
    textHeader('dlt-first-error-code', firstErrorCode),
  ];
}
