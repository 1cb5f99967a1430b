import { describe, expect, it } from 'vitest';
import { utf8, utf8Text } from '../../core/record.ts';
import { occurredAt } from './occurred-at.ts';

describe('the time of an event', () => {
  it.each([
    ['2025-11-21 08:00:00+00', '2025-11-21T08:00:00.000000Z'],
    ['2025-11-21 08:00:00.1+00', '2025-11-21T08:00:00.100000Z'],
    ['2025-11-21 08:00:00.000001+00', '2025-11-21T08:00:00.000001Z'],
    ['2025-11-21 17:30:00.12+09', '2025-11-21T08:30:00.120000Z'],
    ['2025-11-21 00:15:00.654321+05:45', '2025-11-20T18:30:00.654321Z'],
    ['2024-12-31 23:59:59.999999-01', '2025-01-01T00:59:59.999999Z'],
    ['1890-01-01 00:00:00-00:01:15', '1890-01-01T00:01:15.000000Z'],
  ])('is %s as %s', (text, iso) => {
    expect(utf8Text(occurredAt(utf8(text)))).toBe(iso);
  });

  it.each(['infinity', '-infinity', '0044-03-15 12:00:00+00 BC', '2025-11-21', ''])('is not %j', (text) => {
    expect(() => occurredAt(utf8(text))).toThrow(expect.objectContaining({ code: 'ENVELOPE_INVALID' }));
  });
});
