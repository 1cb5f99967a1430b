import { describe, expect, it } from 'vitest';
import { offset } from '../../core/offset.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { LETTER_TOPIC, letterOf } from '../../test/support/letters.ts';
import { fingerprint } from './fingerprint.ts';
import type { LetterFilter } from './letter-filter.ts';
import { UNHANDLED, matchesLetter, matchesState } from './letter-filter.ts';

const writtenAtMs = Date.parse('2026-03-02T12:00:00Z');
const letter = letterOf({
  at: 5,
  record: consumedRecord({ at: 9, key: 'ada', type: 'ScanRequested' }),
  code: 'CALL_FAILED',
  message: 'the classifier answered 500',
  writtenAtMs,
});

describe('a filter of letters', () => {
  const fits: readonly (readonly [string, LetterFilter, LetterFilter])[] = [
    ['error code', { code: 'CALL_FAILED' }, { code: 'CALL_REJECTED' }],
    ['key', { key: 'ada' }, { key: 'ad' }],
    ['type', { type: 'ScanRequested' }, { type: 'ScanFailed' }],
    ['trace', { traceId: '0af7651916cd43dd8448eb211c80319c' }, { traceId: '0af7651916cd43dd8448eb211c80319d' }],
    ['least age', { writtenBeforeMs: writtenAtMs + 1 }, { writtenBeforeMs: writtenAtMs }],
    ['greatest age', { writtenFromMs: writtenAtMs }, { writtenFromMs: writtenAtMs + 1 }],
    [
      'fingerprint',
      { fingerprint: fingerprint('CALL_FAILED', 'the classifier answered 503') },
      { fingerprint: fingerprint('CALL_FAILED', 'the classifier did not answer') },
    ],
    [
      'place',
      { before: { topic: LETTER_TOPIC, partition: 0, offset: offset(6n) } },
      { before: { topic: LETTER_TOPIC, partition: 0, offset: offset(5n) } },
    ],
  ];

  it.each(fits)('takes by %s what fits, and nothing else', (_by, fitting, other) => {
    expect(matchesLetter(letter, fitting)).toBe(true);
    expect(matchesLetter(letter, other)).toBe(false);
  });

  it('takes everything without a condition, and only what fits all of several', () => {
    expect(matchesLetter(letter, {})).toBe(true);
    expect(matchesLetter(letter, { code: 'CALL_FAILED', key: 'ada' })).toBe(true);
    expect(matchesLetter(letter, { code: 'CALL_FAILED', key: 'bob' })).toBe(false);
  });

  it('knows by the state what nobody has handled', () => {
    const states = (['open', 'archived', 'replayed', 'discarded'] as const).filter((state) => matchesState(state, { states: UNHANDLED }));
    expect(states).toEqual(['open', 'archived']);
    expect(matchesState('discarded', {})).toBe(true);
  });
});

describe('a fingerprint', () => {
  it('is the same for the same error with other numbers and ids, and another for another error', () => {
    const print = fingerprint('HANDLER_FAILED', 'row 17 of 3f0e8f7e-3a1b-4c59-9d8e-0123456789ab failed');
    expect(print).toMatch(/^[0-9a-f]{12}$/);
    expect(fingerprint('HANDLER_FAILED', 'row 4 of 00000000-3a1b-4c59-9d8e-0123456789ab failed')).toBe(print);
    expect(fingerprint('HANDLER_FAILED', 'row 17 of it failed')).not.toBe(print);
    expect(fingerprint('CALL_FAILED', 'row 17 of 3f0e8f7e-3a1b-4c59-9d8e-0123456789ab failed')).not.toBe(print);
  });
});
