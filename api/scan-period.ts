import { InvalidInput } from './validation.ts';

/** Half-open, ISO 8601 in UTC. */
export interface Period {
  readonly from: string | undefined;
  readonly before: string | undefined;
}

const DAY_MS = 86_400_000;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;
const DEMAND = 'must be a date (2026-02-14) or a date-time with its offset (2026-02-14T09:00:00Z; + is written %2B)';

/**
 * The period that a query names. A date-time means its moment; a date means the whole day in the pipeline's time zone,
 * so that `from` and `to` with the same date are that day.
 * @throws InvalidInput naming the parameter.
 */
export function readPeriod(query: { readonly from?: string; readonly to?: string }, timeZone: string): Period {
  const from = query.from === undefined ? undefined : inRange('from', moment('from', query.from, timeZone, 0));
  const before = query.to === undefined ? undefined : inRange('to', moment('to', query.to, timeZone, 1));
  if (from !== undefined && before !== undefined && before <= from) throw fault('to', 'must lie after from');
  return { from: isoText(from), before: isoText(before) };
}

/** What every database that is asked can hold. */
const LATEST_MS = Date.UTC(3000, 0);

function inRange(field: string, ms: number): number {
  if (ms < 0 || ms > LATEST_MS) throw fault(field, 'must lie between 1970 and 2999');
  return ms;
}

function isoText(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

/** `daysLater`: 1 for the end of a period, which includes the day that it names. */
function moment(field: string, text: string, timeZone: string, daysLater: number): number {
  const midnightMs = midnightUtcMs(text.slice(0, 10));
  if (midnightMs !== undefined && DATE_TIME.test(text)) {
    const ms = Date.parse(text);
    if (!Number.isNaN(ms)) return ms;
  }
  if (midnightMs === undefined || !DATE.test(text)) throw fault(field, DEMAND);
  return startOfDayMs(midnightMs + daysLater * DAY_MS, timeZone);
}

/** Undefined when the calendar has no such day: 30 February parses as 2 March. */
function midnightUtcMs(date: string): number | undefined {
  const ms = DATE.test(date) ? Date.parse(`${date}T00:00:00Z`) : NaN;
  return Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== date ? undefined : ms;
}

/** The first moment of a day in the zone; `midnightMs` is that day's midnight read as UTC. */
export function startOfDayMs(midnightMs: number, timeZone: string): number {
  // The zone may change its offset around this midnight, which then comes twice or not at all: both offsets are tried.
  const offsets = [offsetMs(midnightMs - DAY_MS, timeZone), offsetMs(midnightMs + DAY_MS, timeZone)];
  const candidates = offsets.map((offset) => midnightMs - offset);
  const inTheDay = candidates.filter((ms) => ms + offsetMs(ms, timeZone) >= midnightMs);
  return inTheDay.length === 0 ? Math.max(...candidates) : Math.min(...inTheDay);
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
