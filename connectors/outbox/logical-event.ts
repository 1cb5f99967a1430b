import { ClassifiedError } from '../../core/errors.ts';
import { jsonMembers } from './json-members.ts';
import type { OutboxRow, ReadEvent } from './outbox-row.ts';
import { OUTBOX_COLUMNS } from './outbox-row.ts';

/**
 * Reads an event out of a logical message: a JSON object with the names of the outbox's columns. Texts and numbers are the
 * columns' text; the payload is an object and is copied as it is written, byte for byte. Unknown members are left alone, like
 * unknown columns.
 * @throws ClassifiedError PAYLOAD_UNREADABLE when it is no such object, PAYLOAD_INVALID when its payload is no object.
 */
export const readLogicalEvent: ReadEvent = (row, bytes, start, end) => {
  const content = bytes.subarray(start, end);
  const members = jsonMembers(content);
  if (members === undefined) throw new ClassifiedError('PAYLOAD_UNREADABLE', 'the logical message is not a JSON object');
  const texts: Buffer[] = [];
  let length = content.length;
  const places: [column: number, start: number, length: number][] = [];
  for (const { name, valueStart, valueEnd } of members) {
    const column = (OUTBOX_COLUMNS as readonly string[]).indexOf(name);
    if (column < 0) continue;
    const first = content[valueStart];
    if (first === 0x6e /* null */) places.push([column, 0, -1]);
    else if (name === 'payload') {
      if (first !== 0x7b /* { */) throw new ClassifiedError('PAYLOAD_INVALID', 'the payload of the logical message is not an object');
      places.push([column, valueStart, valueEnd - valueStart]);
    } else if (first === 0x22 /* " */) {
      const text = Buffer.from(JSON.parse(content.toString('utf8', valueStart, valueEnd)) as string);
      texts.push(text);
      places.push([column, length, text.length]);
      length += text.length;
    } else places.push([column, valueStart, valueEnd - valueStart]);
  }
  placeAll(row, Buffer.concat([content, ...texts]), places);
};

/** A message outside of a transaction is there even if whoever wrote it failed: it is no fact, and no event. */
export const refuseLoneMessage: ReadEvent = () => {
  throw new ClassifiedError('ENVELOPE_INVALID', 'the logical message is not transactional');
};

/** Whether what it reads is a logical message: of such an event there is no row. */
export function isTableless(read: ReadEvent): boolean {
  return read === readLogicalEvent || read === refuseLoneMessage;
}

function placeAll(row: OutboxRow, source: Buffer, places: readonly (readonly [number, number, number])[]): void {
  row.clear(source, { isTableless: true });
  // Of a name that comes twice the last one counts, as in every reader of JSON.
  for (const [column, start, length] of places) row.place(column, start, length);
}
