import type { LogReader } from '../../core/log-reader.ts';
import type { KeptPart, Letter } from './letter.ts';
import { readLetter } from './letter.ts';

/** The parts of a payload that was too large for one letter, as far as they are found. */
export interface Parts {
  readonly found: number;
  readonly totalBytes: number;
  /** Undefined: some are missing, or it is more than is put together in memory. */
  readonly whole: Uint8Array | undefined;
}

/** Parts are written in a row; a relay that was killed in between goes on, and repeats some, when it is back. */
const AROUND_MS = 10 * 60_000;
const RECORDS_MAX = 20_000;
const WHOLE_BYTES_MAX = 256 * 1_048_576;

/**
 * Looks for the other parts of a letter in its partition, by the event's id and the length of the whole, and puts them together. Undefined for a letter
 * that is no part. Rejects with KAFKA_UNAVAILABLE.
 */
export async function findParts(reader: LogReader, letter: Letter): Promise<Parts | undefined> {
  return partsAmong(letter, lettersAround(reader, letter));
}

/** The same, among these letters, which are read no further than it takes. */
export async function partsAmong(letter: Letter, others: AsyncIterable<Letter>): Promise<Parts | undefined> {
  const { kept } = letter;
  if (kept?.kind !== 'part') return undefined;
  const total = kept.total;
  const parts = new Map<number, PartBytes>();
  const add = (other: Letter): boolean => {
    if (other.eventId !== letter.eventId || other.kept?.kind !== 'part' || other.kept.total !== total || other.value === null) return false;
    const known = parts.get(other.kept.from);
    if (known !== undefined && known.to >= other.kept.to) return false;
    parts.set(other.kept.from, { ...other.kept, bytes: other.value });
    return true;
  };
  add(letter);
  if (!covers([...parts.values()], total)) {
    for await (const other of others) {
      if (add(other) && covers([...parts.values()], total)) break;
    }
  }
  return { found: parts.size, totalBytes: total, whole: assemble([...parts.values()], total) };
}

async function* lettersAround(reader: LogReader, { place, writtenAtMs }: Letter): AsyncGenerator<Letter> {
  const starts = await reader.offsetsSince(place.topic, writtenAtMs - AROUND_MS);
  let from = starts.find(({ partition }) => partition === place.partition)?.offset;
  let left = RECORDS_MAX;
  while (from !== undefined && left > 0) {
    const { records, next, end } = await reader.read(place, from);
    for (const record of records) yield readLetter(record);
    left -= records.length;
    const last = records.at(-1);
    from = next <= from || next >= end || (last !== undefined && last.timestampMs > writtenAtMs + AROUND_MS) ? undefined : next;
  }
}

type PartBytes = Pick<KeptPart, 'from' | 'to'> & { readonly bytes: Uint8Array };

/** The payload, when every byte of it is in one of the parts; they may overlap. Pure. */
export function assemble(parts: readonly PartBytes[], total: number): Uint8Array | undefined {
  if (total > WHOLE_BYTES_MAX || !covers(parts, total)) return undefined;
  const whole = new Uint8Array(total);
  for (const { from, bytes } of parts) whole.set(bytes.subarray(0, Math.max(0, total - from)), from);
  return whole;
}

function covers(parts: readonly PartBytes[], total: number): boolean {
  let reached = 0;
  for (const { from, bytes } of [...parts].sort((a, b) => a.from - b.from)) {
    if (from > reached) return false;
    reached = Math.max(reached, from + bytes.length);
  }
  return reached >= total;
}
