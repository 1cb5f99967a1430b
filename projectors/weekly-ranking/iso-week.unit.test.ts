import { describe, expect, it } from 'vitest';
import { isoWeek, isoWeekMondayMs } from './iso-week.ts';

describe('the ISO week of an instant', () => {
  it.each([
    ['2026-11-21T09:00:00.123456Z', 'UTC', '2026-W47'],
    // 1 January belongs to the old year's last week, or 31 December to the new year's first one.
    ['2027-01-01T12:00:00Z', 'UTC', '2026-W53'],
    ['2027-01-03T23:59:59.999Z', 'UTC', '2026-W53'],
    ['2027-01-04T00:00:00Z', 'UTC', '2027-W01'],
    ['2024-12-29T23:59:59Z', 'UTC', '2024-W52'],
    ['2024-12-30T00:00:00Z', 'UTC', '2025-W01'],
    ['2022-01-02T12:00:00Z', 'UTC', '2021-W52'],
    ['2021-01-03T12:00:00Z', 'UTC', '2020-W53'],
    // Seoul is nine hours ahead: its Monday begins on Sunday, 15:00 UTC.
    ['2026-11-22T14:59:59.999999Z', 'Asia/Seoul', '2026-W47'],
    ['2026-11-22T15:00:00.000000Z', 'Asia/Seoul', '2026-W48'],
    ['2027-01-03T15:00:00Z', 'Asia/Seoul', '2027-W01'],
    ['2027-01-03T15:00:00Z', 'UTC', '2026-W53'],
    ['2026-11-23T10:59:59Z', 'Pacific/Honolulu', '2026-W48'],
    ['2026-11-23T09:59:59Z', 'Pacific/Honolulu', '2026-W47'],
    ['2026-11-22T10:00:00Z', 'Pacific/Kiritimati', '2026-W48'],
  ])('of %s in %s is %s', (instant, zone, week) => {
    expect(isoWeek(instant, zone)).toBe(week);
  });

  it('follows the calendar through a change of the clocks', () => {
    // New York leaves summer time on Sunday, 1 November 2026: its Monday begins at 05:00 UTC, a week before at 04:00.
    expect(isoWeek('2026-10-26T04:00:00Z', 'America/New_York')).toBe('2026-W44');
    expect(isoWeek('2026-11-02T04:59:59Z', 'America/New_York')).toBe('2026-W44');
    expect(isoWeek('2026-11-02T05:00:00Z', 'America/New_York')).toBe('2026-W45');
  });

  it('agrees for every day of 30 years with counting the Thursdays of the year', () => {
    let thursdays = 0;
    let year = 1999;
    for (let day = Date.UTC(2000, 0, 3); day < Date.UTC(2030, 0, 1); day += 7 * 86_400_000) {
      const thursday = new Date(day + 3 * 86_400_000);
      thursdays = thursday.getUTCFullYear() === year ? thursdays + 1 : 1;
      year = thursday.getUTCFullYear();
      const week = `${year}-W${thursdays.toString().padStart(2, '0')}`;
      for (const weekday of [0, 6]) expect(isoWeek(new Date(day + weekday * 86_400_000).toISOString(), 'UTC')).toBe(week);
      expect(isoWeekMondayMs(week)).toBe(day);
    }
  });

  it('refuses what is no date, no time zone and no week', () => {
    expect(() => isoWeek('yesterday', 'UTC')).toThrow(RangeError);
    expect(() => isoWeek('2026-01-01T00:00:00Z', 'Mars/Base')).toThrow(RangeError);
    expect(() => isoWeekMondayMs('2026-47')).toThrow(RangeError);
  });
});
