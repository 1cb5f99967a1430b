import type { Header } from '../../core/record.ts';
import { textHeader, utf8Text } from '../../core/record.ts';

/** What a replayed record carries of the letter that it was, until it leaves by a door; a letter that it becomes again keeps it. */
export interface FormerLife {
  /** The place of its first letter: `<dead-letter topic>/<partition>/<offset>`. */
  readonly letter: string;
  /** How often it was replayed, this time included. */
  readonly replays: number;
  /** ISO 8601, UTC: when it failed for the first time. */
  readonly firstFailedAt: string;
  /** Why it became a letter for the first time. */
  readonly firstErrorCode: string;
}

const NAMES = ['dlt-replay-of', 'dlt-replays', 'dlt-first-failed-at', 'dlt-first-error-code'] as const;

/** Behind all others, so that they can be taken off again and what was there before is as it was. */
export function withFormerLife(headers: readonly Header[], life: FormerLife): readonly Header[] {
  const values = [life.letter, life.replays.toString(), life.firstFailedAt, life.firstErrorCode];
  return [...headers, ...NAMES.map((name, index) => textHeader(name, values[index] ?? ''))];
}

/** Takes the former life off again. Headers of these names anywhere else than at the end are the record's own. */
export function splitFormerLife(headers: readonly Header[]): { readonly own: readonly Header[]; readonly life: FormerLife | undefined } {
  const ownCount = headers.length - NAMES.length;
  const last = headers.slice(Math.max(0, ownCount));
  const isLife = ownCount >= 0 && NAMES.every((name, index) => last[index]?.[0] === name && last[index][1] !== null);
  if (!isLife) return { own: headers, life: undefined };
  const [letter = '', replays = '', firstFailedAt = '', firstErrorCode = ''] = last.map(([, value]) => utf8Text(value ?? new Uint8Array()));
  return { own: headers.slice(0, ownCount), life: { letter, replays: Number(replays), firstFailedAt, firstErrorCode } };
}
