import { describe, expect, it } from 'vitest';
import { calendarStarts } from './calendar-starts.ts';

describe('the calendar', () => {
  it.each([
    // A Sunday evening in Seoul, which is still its first half in UTC.
    ['2026-03-01T14:59:59.999Z', 'Asia/Seoul', '2026-02-28T15:00:00.000Z', '2026-02-22T15:00:00.000Z', '2026-02-28T15:00:00.000Z'],
    ['2026-03-01T15:00:00.000Z', 'Asia/Seoul', '2026-03-01T15:00:00.000Z', '2026-03-01T15:00:00.000Z', '2026-02-28T15:00:00.000Z'],
    // A week that begins in the year before, and a day on which the clocks were put forward.
    ['2026-01-01T12:00:00.000Z', 'UTC', '2026-01-01T00:00:00.000Z', '2025-12-29T00:00:00.000Z', '2026-01-01T00:00:00.000Z'],
    ['2026-03-29T12:00:00.000Z', 'Europe/Berlin', '2026-03-28T23:00:00.000Z', '2026-03-22T23:00:00.000Z', '2026-02-28T23:00:00.000Z'],
  ])('of %s in %s begins its day, week and month where people do', (now, timeZone, today, week, month) => {
    expect(calendarStarts(Date.parse(now), timeZone)).toEqual({ today, week, month });
  });
});
