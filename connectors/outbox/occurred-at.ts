import { ClassifiedError } from '../../core/errors.ts';
import { utf8, utf8Text } from '../../core/record.ts';

const TIMESTAMPTZ = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?$/;
const ZERO = 0x30;
const SECONDS_END = 19;
/** `2025-11-21T08:00:00.000000Z` */
export const OCCURRED_AT_BYTES = 27;

/**
 * `created_at` as an event tells it: ISO 8601 with six digits of a second, UTC, from PostgreSQL's text form
 * (`2025-11-21 08:00:00.12+00`, trailing zeros cut off).
 * @throws ClassifiedError ENVELOPE_INVALID for what is no moment (`infinity`, years before Christ).
 */
export function occurredAt(text: Uint8Array): Uint8Array {
  if (!isUtcText(text, 0, text.length)) return convert(utf8Text(text));
  const iso = new Uint8Array(OCCURRED_AT_BYTES);
  writeUtcText(iso, 0, text, 0, text.length);
  return iso;
}

/** The form that a UTC session prints, `2025-11-21 08:00:00.12+00`, which can be rewritten byte by byte. */
export function isUtcText(text: Uint8Array, start: number, length: number): boolean {
  const fraction = length - 3 - SECONDS_END;
  const zone = start + length - 3;
  return (
    fraction >= 0 &&
    fraction <= 7 &&
    text[start + 10] === 0x20 &&
    text[zone] === 0x2b && // +00
    text[zone + 1] === ZERO &&
    text[zone + 2] === ZERO
  );
}

/** Writes `OCCURRED_AT_BYTES`; the text is known to be of that form. Returns where the next byte goes. */
export function writeUtcText(target: Uint8Array, at: number, text: Uint8Array, start: number, length: number): number {
  const given = length - 3;
  for (let index = 0; index < given; index += 1) target[at + index] = text[start + index] ?? ZERO;
  for (let index = given; index < OCCURRED_AT_BYTES; index += 1) target[at + index] = ZERO;
  target[at + 10] = 0x54; // T
  target[at + SECONDS_END] = 0x2e; // .
  target[at + OCCURRED_AT_BYTES - 1] = 0x5a; // Z
  return at + OCCURRED_AT_BYTES;
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
