import { describe, expect, it } from 'vitest';
import { textHeader, utf8 } from '../../core/record.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { LETTER_TOPIC, letterRecord } from '../../test/support/letters.ts';
import { withFormerLife } from '../processing/former-life.ts';
import { CODE_UNKNOWN, formatPlace, originalRecord, parsePlace, readLetter } from './letter.ts';
import { replayedRecord } from './replay.ts';

describe('a letter that is read', () => {
  const record = { ...consumedRecord({ at: 7, partition: 2, type: 'ScanRequested', key: 'ada' }), topic: 'events.happened' };
  const letter = readLetter(letterRecord({ at: 17, record, code: 'CALL_FAILED', message: 'the classifier answered 500' }));

  it('says what its group wrote: which record it was, why it failed and since when', () => {
    expect(letter).toMatchObject({
      place: { topic: LETTER_TOPIC, partition: 2, offset: 17n },
      origin: { topic: 'events.happened', partition: 2, offset: 7n, timestampMs: record.timestampMs },
      group: 'processor.scan',
      errorCode: 'CALL_FAILED',
      errorMessage: 'the classifier answered 500',
      attempts: 4,
      type: 'ScanRequested',
      traceId: '0af7651916cd43dd8448eb211c80319c',
      replays: 0,
      replayOf: undefined,
    });
  });

  it('gives the record back as it was, whatever was added in whichever dialect', () => {
    expect(originalRecord(letter)).toEqual(record);
  });

  it('gives a record back that has headers of our names, of other letters that it went through', () => {
    const odd = { ...record, headers: [textHeader('dlt-error-code', 'THEIRS'), textHeader('dlt-replay-of', 'theirs'), ...record.headers] };
    const read = readLetter(letterRecord({ at: 3, record: odd, code: 'CALL_FAILED' }));
    expect(originalRecord(read)?.headers).toEqual(odd.headers);
    expect(read.errorCode).toBe('CALL_FAILED');
    expect(read.replayOf).toBeUndefined();
  });

  it('that nobody of us wrote has a place and bytes, and no origin', () => {
    const foreign = { ...record, headers: [textHeader('type', 'a\nb')] };
    expect(readLetter(foreign)).toMatchObject({
      errorCode: CODE_UNKNOWN,
      origin: undefined,
      group: undefined,
      type: 'a?b',
      value: record.value,
    });
    expect(originalRecord(readLetter(foreign))).toBeUndefined();
  });
});

describe('a letter that is replayed', () => {
  const record = consumedRecord({ at: 7 });

  it('becomes its record again, and says which letter it was, that it is the first replay, and since when it fails', () => {
    const letter = readLetter(letterRecord({ at: 17, record, code: 'CALL_FAILED' }));
    expect(replayedRecord(letter)).toEqual({
      ...record,
      headers: withFormerLife(record.headers, {
        letter: formatPlace(letter.place),
        replays: 1,
        firstFailedAt: letter.firstFailedAt!,
        firstErrorCode: 'CALL_FAILED',
      }),
    });
  });

  it('and fails again is a letter of its first life still, with one replay more, and its record is unchanged', () => {
    const first = readLetter(letterRecord({ at: 17, record, code: 'CALL_FAILED' }));
    const second = readLetter(letterRecord({ at: 18, record: replayedRecord(first)!, code: 'DECISION_FAILED' }));
    expect(second).toMatchObject({
      ...{ replayOf: formatPlace(first.place), replays: 1, firstErrorCode: 'CALL_FAILED', errorCode: 'DECISION_FAILED' },
      firstFailedAt: first.firstFailedAt,
    });
    expect(originalRecord(second)).toEqual(record);
    const third = readLetter(letterRecord({ at: 19, record: replayedRecord(second)! }));
    expect(third).toMatchObject({ replayOf: formatPlace(first.place), replays: 2 });
  });
});

describe('the place of a letter', () => {
  it('is written and read', () => {
    const place = { topic: 'capture.scan.dlt', partition: 0, offset: 12n };
    expect(parsePlace('capture.scan.dlt/0/12')).toEqual(place);
    expect(parsePlace(formatPlace(place as Parameters<typeof formatPlace>[0]))).toEqual(place);
  });

  it('is not read from anything else', () => {
    for (const text of ['', 'a/b/c', 'topic/0', 'topic/0/-1', 'to/pic/0/1', `${'x'.repeat(300)}/0/1`])
      expect(parsePlace(text)).toBeUndefined();
  });
});

describe('a key of a letter', () => {
  it('keeps its bytes, readable or not', () => {
    const record = { ...consumedRecord({ at: 1 }), key: Uint8Array.of(0xff, 0) };
    expect(originalRecord(readLetter(letterRecord({ at: 1, record })))?.key).toEqual(Uint8Array.of(0xff, 0));
    expect(readLetter({ ...record, key: utf8('k') }).key).toEqual(utf8('k'));
  });
});
