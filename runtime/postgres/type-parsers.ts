import type { CustomTypesConfig } from 'pg';
import pg from 'pg';

type TextParser = (text: string) => unknown;

const OWN_PARSERS: ReadonlyMap<number, TextParser> = new Map<number, TextParser>([
  [20, BigInt], // int8
  [114, (text): unknown => JSON.parse(text)], // json
  [1082, String], // date
  [1114, String], // timestamp
  [1184, isoTimestamp], // timestamptz
  [1700, String], // numeric
  [3802, (text): unknown => JSON.parse(text)], // jsonb
]);

/**
 * How columns reach JavaScript on the connections of this folder, and on no others: bigint as bigint, timestamps as ISO
 * 8601 text in UTC with microseconds (a Date would cut them), numeric and date as their text, json and jsonb parsed.
 */
export const TYPE_PARSERS: CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary'): TextParser => {
    const own = format === 'binary' ? undefined : OWN_PARSERS.get(oid);
    // The driver's own table is declared for the types it knows by name; it answers for every number.
    return own ?? (pg.types.getTypeParser as (oid: number, format?: string) => TextParser)(oid, format);
  },
};

const PLAIN_UTC = /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(?:\.\d{1,6})?\+00$/;
const TIMESTAMP_TEXT = /^(\d{4})-(\d{2})-(\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?([+-]\d{2}(?::\d{2})?)$/;

/** `2025-11-21 09:12:00.1234+00` is `2025-11-21T09:12:00.123400Z`. Years before 1, after 9999 and infinity stay as printed. */
export function isoTimestamp(text: string): string {
  // As every connection of this folder prints it: each row that is read has one or two of them.
  if (PLAIN_UTC.test(text)) return `${text.slice(0, 10)}T${text.slice(11, 19)}.${text.slice(20, -3).padEnd(6, '0')}Z`;
  const match = TIMESTAMP_TEXT.exec(text);
  if (match === null) return text;
  const [, year, month, day, time, fraction = '', zone] = match as unknown as [string, string, string, string, string, string?, string?];
  const micros = fraction.padEnd(6, '0');
  const offset = zone !== undefined && zone.length === 3 ? `${zone}:00` : (zone ?? 'Z');
  const utc = new Date(`${year}-${month}-${day}T${time}${offset}`).toISOString();
  return `${utc.slice(0, 19)}.${micros}Z`;
}
