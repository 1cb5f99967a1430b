import { isoWeek, isoWeekMondayMs } from '../projectors/weekly-ranking/iso-week.ts';
import type { CalendarStarts } from './query-ports.ts';
import { startOfDayMs } from './scan-period.ts';

/** When today, this week and this month began in the time zone. */
export function calendarStarts(nowMs: number, timeZone: string): CalendarStarts {
  const now = new Date(nowMs).toISOString();
  const parts = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', { timeZone, year: 'numeric', month: 'numeric', day: 'numeric' });
  const part = (type: 'year' | 'month' | 'day'): number => Number(parts.formatToParts(nowMs).find((each) => each.type === type)?.value);
  const [year, month, day] = [part('year'), part('month') - 1, part('day')];
  const began = (dayMs: number): string => new Date(startOfDayMs(dayMs, timeZone)).toISOString();
  return {
    today: began(Date.UTC(year, month, day)),
    week: began(isoWeekMondayMs(isoWeek(now, timeZone))),
    month: began(Date.UTC(year, month, 1)),
  };
}
