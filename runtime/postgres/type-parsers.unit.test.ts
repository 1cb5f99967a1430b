import { describe, expect, it } from 'vitest';
import { isoTimestamp } from './type-parsers.ts';

describe('a timestamp from PostgreSQL', () => {
  it.each([
    ['2025-11-21 09:12:00+00', '2025-11-21T09:12:00.000000Z'],
    ['2025-11-21 09:12:00.1+00', '2025-11-21T09:12:00.100000Z'],
    ['2025-11-21 09:12:00.000001+00', '2025-11-21T09:12:00.000001Z'],
    ['2025-11-21 00:12:00.123456+09', '2025-11-20T15:12:00.123456Z'],
    ['2025-11-21 23:12:00.123456-03:30', '2025-11-22T02:42:00.123456Z'],
    ['infinity', 'infinity'],
  ])('%s is %s', (text, iso) => {
    expect(isoTimestamp(text)).toBe(iso);
  });
});
