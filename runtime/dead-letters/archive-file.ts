import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { offset } from '../../core/offset.ts';
import type { Letter } from './letter.ts';
import { formatPlace, parsePlace } from './letter.ts';

/**
 * A letter as a line of an archive: what it says of itself as text, and its bytes (key, value, the record's own headers) in
 * base64, so that nothing of the record is lost.
 */
export function archiveLine({ place, origin, ...letter }: Letter, topicId: string): string {
  const base64 = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString('base64'));
  return JSON.stringify({
    letter: formatPlace(place),
    topic_id: topicId,
    written_at: new Date(letter.writtenAtMs).toISOString(),
    group: letter.group ?? null,
    origin: origin === undefined ? null : { ...origin, offset: origin.offset.toString() },
    type: letter.type ?? null,
    event_id: letter.eventId ?? null,
    trace_id: letter.traceId ?? null,
    error_class: letter.errorClass ?? null,
    error_code: letter.errorCode,
    error_message: letter.errorMessage,
    attempts: letter.attempts ?? null,
    first_failed_at: letter.firstFailedAt ?? null,
    service: letter.service ?? null,
    replay_of: letter.replayOf ?? null,
    replays: letter.replays,
    first_error_code: letter.firstErrorCode ?? null,
    kept: letter.kept ?? null,
    key: base64(letter.key),
    value: base64(letter.value),
    headers: letter.headers.map(([name, value]) => [name, base64(value)]),
  });
}

export interface ArchivedLetter {
  readonly letter: Letter;
  /** Undefined in lines of before it was written down. */
  readonly topicId: string | undefined;
}

const text = z.string().nullable().optional();
const base64 = z.base64().nullable();
const digits = z.string().regex(/^\d{1,18}$/);
const ArchiveLine = z.object({
  letter: z.string(),
  topic_id: text,
  written_at: z.iso.datetime(),
  group: text,
  origin: z.object({ topic: z.string(), partition: z.number().int(), offset: digits, timestampMs: z.number() }).nullable(),
  type: text,
  event_id: text,
  trace_id: text,
  error_class: text,
  error_code: z.string(),
  error_message: z.string(),
  attempts: z.number().nullable(),
  first_failed_at: text,
  service: text,
  replay_of: text,
  replays: z.number(),
  first_error_code: text,
  kept: z
    .discriminatedUnion('kind', [
      z.object({ kind: z.literal('part'), from: z.number(), to: z.number(), total: z.number() }),
      z.object({ kind: z.literal('outbox'), bytes: z.number() }),
    ])
    .nullable()
    .optional(),
  key: base64,
  value: base64,
  headers: z.array(z.tuple([z.string(), base64])),
});

/** The letter that `archiveLine` wrote down, byte for byte; undefined for any other text. Pure. */
export function parseArchiveLine(line: string): ArchivedLetter | undefined {
  const parsed = ArchiveLine.safeParse(jsonOf(line));
  const place = parsed.success ? parsePlace(parsed.data.letter) : undefined;
  if (!parsed.success || place === undefined) return undefined;
  const { data } = parsed;
  const bytes = (encoded: string | null): Uint8Array | null => (encoded === null ? null : Buffer.from(encoded, 'base64'));
  const writtenAtMs = Date.parse(data.written_at);
  const letter: Letter = {
    place,
    writtenAtMs,
    origin: data.origin === null ? undefined : { ...data.origin, offset: offset(data.origin.offset) },
    group: data.group ?? undefined,
    errorClass: data.error_class ?? undefined,
    errorCode: data.error_code,
    errorMessage: data.error_message,
    attempts: data.attempts ?? undefined,
    firstFailedAt: data.first_failed_at ?? undefined,
    service: data.service ?? undefined,
    type: data.type ?? undefined,
    eventId: data.event_id ?? undefined,
    traceId: data.trace_id ?? undefined,
    replayOf: data.replay_of ?? undefined,
    replays: data.replays,
    firstErrorCode: data.first_error_code ?? undefined,
    kept: data.kept ?? undefined,
    key: bytes(data.key),
    value: bytes(data.value),
    headers: data.headers.map(([name, value]) => [name, bytes(value)]),
    timestampMs: writtenAtMs,
  };
  return { letter, topicId: data.topic_id ?? undefined };
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/**
 * Writes the whole file beside its place, makes it durable and renames it: a reader never sees half of it, and the second
 * time it replaces itself. Readable by the owner alone, because it holds payloads.
 */
export async function writeArchiveFile(path: string, lines: readonly string[]): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  const beside = `${path}.tmp`;
  const file = await open(beside, 'w', 0o600);
  try {
    await file.writeFile(lines.map((line) => `${line}\n`).join(''));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
  const directory = await open(folder, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
