import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Letter } from './letter.ts';
import { formatPlace } from './letter.ts';

/**
 * A letter as a line of an archive: what it says of itself as text, and its bytes (key, value, the record's own headers) in
 * base64, so that nothing of the record is lost.
 */
export function archiveLine({ place, origin, ...letter }: Letter): string {
  const base64 = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString('base64'));
  return JSON.stringify({
    letter: formatPlace(place),
    written_at: new Date(letter.writtenAtMs).toISOString(),
    group: letter.group ?? null,
    origin: origin === undefined ? null : { ...origin, offset: origin.offset.toString() },
    type: letter.type ?? null,
    event_id: letter.eventId ?? null,
    trace_id: letter.traceId ?? null,
    error_code: letter.errorCode,
    error_message: letter.errorMessage,
    attempts: letter.attempts ?? null,
    first_failed_at: letter.firstFailedAt ?? null,
    replay_of: letter.replayOf ?? null,
    replays: letter.replays,
    key: base64(letter.key),
    value: base64(letter.value),
    headers: letter.headers.map(([name, value]) => [name, base64(value)]),
  });
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
