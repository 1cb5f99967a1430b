import { ClassifiedError } from '../../core/errors.ts';
import { utf8, utf8Text } from '../../core/record.ts';

const TIMESTAMPTZ = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?$/;
const UTC_SUFFIX = [0x2b, 0x30, 0x30]; // +00
const ZERO = 0x30;
const SECONDS_END = 19;

/**
 * `created_at` as an event tells it: ISO 8601 with six digits of a second, UTC, from PostgreSQL's text form
 * (`2025-11-21 08:00:00.12+00`, trailing zeros cut off).
 * @throws ClassifiedError ENVELOPE_INVALID for what is no moment (`infinity`, years before Christ).
 */
export function occurredAt(text: Uint8Array): Uint8Array {
  return utcText(text) ?? convert(utf8Text(text));
}

/** The form that a UTC session prints, rewritten byte by byte. */
function utcText(text: Uint8Array): Uint8Array | undefined {
  const fractionEnd = text.length - UTC_SUFFIX.length;
  if (fractionEnd < SECONDS_END || fractionEnd > SECONDS_END + 7 || text[10] !== 0x20) return undefined;
  if (UTC_SUFFIX.some((byte, index) => text[fractionEnd + index] !== byte)) return undefined;
  const iso = new Uint8Array(27).fill(ZERO);
  iso.set(text.subarray(0, fractionEnd));
  iso[10] = 0x54; // T
  iso[SECONDS_END] = 0x2e; // .
  iso[26] = 0x5a; // Z
  return iso;
}

function convert(text: string): Uint8Array {
  const match = TIMESTAMPTZ.exec(text);
  if (match === null) throw new ClassifiedError('ENVELOPE_INVALID', 'created_at is not a moment');
  const [, year, month, day, hour, minute, second, fraction = '', sign, zoneHours, zoneMinutes = '0', zoneSeconds = '0'] = match;
  const local = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  const offsetMs = (Number(zoneHours) * 3600 + Number(zoneMinutes) * 60 + Number(zoneSeconds)) * 1000;
  const utc = new Date(sign === '-' ? local + offsetMs : local - offsetMs);
  return utf8(`${utc.toISOString().slice(0, SECONDS_END)}.${fraction.padEnd(6, '0')}Z`);
}
