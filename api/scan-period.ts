import { InvalidInput } from './validation.ts';

/** Half-open, ISO 8601 in UTC. */
export interface Period {
  readonly from: string | undefined;
  readonly before: string | undefined;
}

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;
const DEMAND = 'must be a date (2026-02-14) or a date-time with its offset (2026-02-14T09:00:00Z; + is written %2B)';

/**
 * The period that a query names. A date-time means its moment; a date means the whole day in the pipeline's time zone,
 * so that `from` and `to` with the same date are that day.
 * @throws InvalidInput naming the parameter.
 */
export function readPeriod(query: { readonly from?: string; readonly to?: string }, timeZone: string): Period {
  const from = query.from === undefined ? undefined : moment('from', query.from, timeZone, 0);
  const before = query.to === undefined ? undefined : moment('to', query.to, timeZone, 1);
  if (from !== undefined && before !== undefined && before <= from) throw fault('to', 'must lie after from');
  return { from: isoText(from), before: isoText(before) };
}

function isoText(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

/** `daysLater`: 1 for the end of a period, which includes the day that it names. */
function moment(field: string, text: string, timeZone: string, daysLater: number): number {
  if (DATE_TIME.test(text)) {
    const ms = Date.parse(text);
    if (!Number.isNaN(ms)) return ms;
  }
  const midnightMs = DATE.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN;
  // 30 February parses as 2 March: a date must come back as it was written.
  if (Number.isNaN(midnightMs) || !new Date(midnightMs).toISOString().startsWith(text)) throw fault(field, DEMAND);
  return startOfDayMs(midnightMs + daysLater * 86_400_000, timeZone);
}

/** The first moment of a day in the zone; `midnightUtcMs` is that day's midnight read as UTC. */
function startOfDayMs(midnightUtcMs: number, timeZone: string): number {
  const first = midnightUtcMs - offsetMs(midnightUtcMs, timeZone);
  const second = midnightUtcMs - offsetMs(first, timeZone);
  // They differ only when the zone changes its offset around this midnight: then the earlier one that is in the day.
  const inTheDay = [first, second].filter((ms) => ms + offsetMs(ms, timeZone) >= midnightUtcMs);
  return inTheDay.length === 0 ? Math.max(first, second) : Math.min(...inTheDay);
}

/** What the zone's clocks show ahead of UTC at that moment. */
function offsetMs(ms: number, timeZone: string): number {
  const parts = formatter(timeZone).formatToParts(ms);
  const number = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.find((part) => part.type === type)?.value);
  const shown = Date.UTC(number('year'), number('month') - 1, number('day'), number('hour'), number('minute'), number('second'));
  return shown - Math.floor(ms / 1000) * 1000;
}

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(timeZone: string): Intl.DateTimeFormat {
  const known = formatters.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formatters.set(timeZone, made);
  return made;
}

function fault(field: string, message: string): InvalidInput {
  return new InvalidInput([{ field, message }]);
}
