const DAY_MS = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

/**
 * The ISO 8601 week of an instant as people in the time zone see it: `2026-W47`. Weeks begin on Monday; the week belongs
 * to the year that holds its Thursday, so that 31 December may be in week 1 and 1 January in week 53.
 * @throws RangeError when the text is no date or the time zone is unknown.
 */
export function isoWeek(instant: string, timeZone: string): string {
  const day = localDayMs(new Date(instant), timeZone);
  const thursday = day + (4 - isoWeekday(day)) * DAY_MS;
  const year = new Date(thursday).getUTCFullYear();
  const week = Math.floor((thursday - Date.UTC(year, 0, 1)) / DAY_MS / 7) + 1;
  return `${year}-W${week.toString().padStart(2, '0')}`;
}

/**
 * The Monday of the week as midnight UTC, in milliseconds since the epoch. In any time zone the week begins within a day of it.
 * @throws RangeError when it is not written like `2026-W47`.
 */
export function isoWeekMondayMs(week: string): number {
  const match = /^(\d{4})-W(\d{2})$/.exec(week);
  if (match === null) throw new RangeError('a week is written like 2026-W47');
  const fourthOfJanuary = Date.UTC(Number(match[1]), 0, 4);
  return fourthOfJanuary + ((Number(match[2]) - 1) * 7 + 1 - isoWeekday(fourthOfJanuary)) * DAY_MS;
}

/** 1 is Monday, 7 is Sunday. */
function isoWeekday(dayMs: number): number {
  return new Date(dayMs).getUTCDay() || 7;
}

/** The calendar day of the instant in the time zone, as that day's midnight UTC. */
function localDayMs(instant: Date, timeZone: string): number {
  const part: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
  for (const { type, value } of format(timeZone).formatToParts(instant)) part[type] = Number(value);
  return Date.UTC(part.year ?? NaN, (part.month ?? NaN) - 1, part.day);
}

function format(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', { timeZone, year: 'numeric', month: 'numeric', day: 'numeric' });
  formats.set(timeZone, made);
  return made;
}
