import { ClassifiedError } from '../../core/errors.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { offset } from '../../core/offset.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import type { Letter } from '../../runtime/dead-letters/letter.ts';
import { readLetter } from '../../runtime/dead-letters/letter.ts';
import { deadLetter } from '../../runtime/processing/dead-letter.ts';
import { consumedRecord } from './consumed-record.ts';

interface LetterFacts {
  /** The offset of the letter in its topic. */
  readonly at: number;
  readonly record?: ConsumedRecord;
  readonly code?: ErrorCode;
  readonly message?: string;
  readonly group?: string;
  readonly writtenAtMs?: number;
}

export const LETTER_TOPIC = 'events.happened.processor.scan.dlt';

/** A letter as a reader of its topic sees it: what a group wrote about the record. */
export function letterRecord({
  at,
  record = consumedRecord({ at }),
  code = 'DECISION_FAILED',
  message = 'it threw',
  ...more
}: LetterFacts): ConsumedRecord {
  const { group = 'processor.scan', writtenAtMs = Date.parse('2026-03-02T00:00:00Z') + at } = more;
  const failedAtMs = writtenAtMs;
  const why = {
    group,
    service: 'millrace',
    error: new ClassifiedError(code, message),
    attempts: 4,
    firstFailedAtMs: failedAtMs - 370_000,
    failedAtMs,
  };
  const { key, value, headers } = deadLetter(record, LETTER_TOPIC, why, ['spring', 'connect']);
  return { topic: LETTER_TOPIC, partition: record.partition, offset: offset(BigInt(at)), key, value, headers, timestampMs: writtenAtMs };
}

export function letterOf(facts: LetterFacts): Letter {
  return readLetter(letterRecord(facts));
}
