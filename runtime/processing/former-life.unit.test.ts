import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { headerText, textHeader } from '../../core/record.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { deadLetter } from './dead-letter.ts';
import { splitFormerLife, withFormerLife } from './former-life.ts';

const life = {
  letter: 'events.happened.processor.scan.dlt/2/17',
  replays: 2,
  firstFailedAt: '2026-03-01T09:00:00.000Z',
  firstErrorCode: 'CALL_FAILED',
};
const why = {
  group: 'processor.scan',
  service: 'millrace',
  error: new ClassifiedError('DECISION_FAILED', 'the reaction threw while it decided'),
  attempts: 1,
  firstFailedAtMs: Date.parse('2026-03-05T09:00:00Z'),
  failedAtMs: Date.parse('2026-03-05T09:00:00Z'),
};

describe('the former life of a replayed record', () => {
  const record = consumedRecord({ at: 7 });

  it('is taken off again without a trace', () => {
    expect(splitFormerLife(withFormerLife(record.headers, life))).toEqual({ own: record.headers, life });
  });

  it('is not seen in a record of somebody who uses the same names', () => {
    const headers = [textHeader('dlt-replay-of', 'theirs'), ...record.headers];
    expect(splitFormerLife(headers)).toEqual({ own: headers, life: undefined });
    expect(splitFormerLife([])).toEqual({ own: [], life: undefined });
  });

  it('goes on in the letter that the record becomes again: which one it was first, how often, since when and why', () => {
    const letter = deadLetter({ ...record, headers: withFormerLife(record.headers, life) }, 't.dlt', why);
    expect(letter.headers.slice(0, record.headers.length)).toEqual(record.headers);
    const text = (name: string) => headerText(letter.headers, name);
    expect(text('dlt-replay-of')).toBe(life.letter);
    expect(text('dlt-replays')).toBe('2');
    expect(text('dlt-first-failed-at')).toBe(life.firstFailedAt);
    expect(text('dlt-first-error-code')).toBe('CALL_FAILED');
    expect(text('dlt-error-code')).toBe('DECISION_FAILED');
    expect(letter.headers.filter(([name]) => name === 'dlt-replay-of')).toHaveLength(1);
  });
});
