import { fingerprint } from './fingerprint.ts';
import { keyText } from './letter.ts';
import type { Letter, LetterPlace } from './letter.ts';
import type { LetterState } from './letter-states.ts';

/** Which letters are meant: all conditions that are given hold. Queues are chosen before, by group and topic. */
export interface LetterFilter {
  readonly code?: string | undefined;
  readonly fingerprint?: string | undefined;
  /** The record's key, as text. */
  readonly key?: string | undefined;
  readonly type?: string | undefined;
  readonly traceId?: string | undefined;
  /** By the time at which the letter was written, milliseconds since the epoch: from there on, and before. */
  readonly writtenFromMs?: number | undefined;
  readonly writtenBeforeMs?: number | undefined;
  /** Of this place's partition, and in front of it. */
  readonly before?: LetterPlace | undefined;
  /** Left out: those of every state. */
  readonly states?: readonly LetterState[] | undefined;
}

/** Those that nobody has handled yet. */
export const UNHANDLED: readonly LetterState[] = ['open', 'archived'];

/** Everything but the state, which is not in the letter. */
export function matchesLetter(letter: Letter, filter: LetterFilter): boolean {
  const { writtenAtMs } = letter;
  if (filter.code !== undefined && letter.errorCode !== filter.code) return false;
  if (filter.type !== undefined && letter.type !== filter.type) return false;
  if (filter.traceId !== undefined && letter.traceId !== filter.traceId) return false;
  if (filter.key !== undefined && keyText(letter.key) !== filter.key) return false;
  if (filter.writtenFromMs !== undefined && writtenAtMs < filter.writtenFromMs) return false;
  if (filter.writtenBeforeMs !== undefined && writtenAtMs >= filter.writtenBeforeMs) return false;
  if (filter.before !== undefined && !isBefore(letter.place, filter.before)) return false;
  return filter.fingerprint === undefined || fingerprint(letter.errorCode, letter.errorMessage) === filter.fingerprint;
}

export function matchesState(state: LetterState, filter: LetterFilter): boolean {
  return filter.states === undefined || filter.states.includes(state);
}

function isBefore(place: LetterPlace, before: LetterPlace): boolean {
  return place.topic === before.topic && place.partition === before.partition && place.offset < before.offset;
}
