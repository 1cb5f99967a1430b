import { describe, expect, it } from 'vitest';
import { readPeriod } from './scan-period.ts';

describe('the start of a day', () => {
  it.each([
    ['an ordinary one', 'Asia/Seoul', '2026-02-14', '2026-02-13T15:00:00.000Z'],
    ['its midnight comes twice, east of Greenwich', 'Asia/Amman', '2019-10-25', '2019-10-24T21:00:00.000Z'],
    ['its midnight comes twice, west of Greenwich', 'America/Havana', '2022-11-06', '2022-11-06T04:00:00.000Z'],
    ['its midnight never comes, east of Greenwich', 'Asia/Beirut', '2022-03-27', '2022-03-26T22:00:00.000Z'],
    ['its midnight never comes, west of Greenwich', 'America/Havana', '2022-03-13', '2022-03-13T05:00:00.000Z'],
    ['the hour before it comes twice', 'Asia/Beirut', '2022-10-30', '2022-10-29T22:00:00.000Z'],
    ['a day that the zone left out begins with the next one', 'Pacific/Apia', '2011-12-30', '2011-12-30T10:00:00.000Z'],
    ['the clocks change later in it', 'Europe/Berlin', '2026-03-29', '2026-03-28T23:00:00.000Z'],
  ])('is its first moment: %s', (_name, timeZone, day, start) => {
    expect(readPeriod({ from: day }, timeZone)).toEqual({ from: start, before: undefined });
  });
});

describe('a moment', () => {
  it('is read in its own offset, whatever the zone of the pipeline', () => {
    expect(readPeriod({ from: '2026-02-14t09:00:00.123456+09:00', to: '2026-02-14T00:00:01Z' }, 'America/Havana')).toEqual({
      from: '2026-02-14T00:00:00.123Z',
      before: '2026-02-14T00:00:01.000Z',
    });
  });

  it.each([
    '2026-02-14T09:00:00',
    '2026-02-14T09:00:00 09:00',
    '2026-02-14T25:00:00Z',
    '2026-02-30T09:00:00Z',
    '2026-13-01',
    '2025-02-29',
    '26-02-14',
    '0',
    'today',
    '',
    '+020260-01-01',
  ])('%j is none', (text) => {
    expect(() => readPeriod({ to: text }, 'Asia/Seoul')).toThrow(
      expect.objectContaining({ faults: [expect.objectContaining({ field: 'to' })] }),
    );
  });
});
