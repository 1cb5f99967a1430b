import { LOGICAL_MESSAGE_HEADER } from '../../core/envelope.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Names } from '../../core/names.ts';
import type { Header } from '../../core/record.ts';
import { textHeader, utf8, utf8Text } from '../../core/record.ts';
import { isUtcText, occurredAt } from './occurred-at.ts';
import type { OutboxRow } from './outbox-row.ts';
import { COLUMN, OUTBOX_COLUMNS, requireColumn } from './outbox-row.ts';

/**
 * The one rule by which an outbox row becomes a record, whether it was inserted or sent as a logical message: the topic is
 * what the row says, if the pipeline declares it; the key is `aggregateid`; the envelope goes into text headers, in its own
 * order: the first columns as they are, empty optional ones left out, then `occurred_at` and `content-type`, and behind them
 * `logical-message` where no row stands behind the event.
 */
export const HEADER_COLUMNS = COLUMN.causation_id + 1;
const REQUIRED_HEADERS = COLUMN.trace_id + 1;

interface Declared<T> {
  readonly route: Uint8Array;
  readonly destination: T;
}

/** The topics that the pipeline declares, found by the bytes in which a row names one. */
export class TopicTable<T> {
  private readonly byHash = new Map<number, Declared<T>[]>();

  /** @param routes what follows `events.` in the names of the declared topics: `image.registered`. */
  constructor(names: Names, routes: Iterable<string>, destinationOf: (topic: string) => T) {
    for (const text of routes) {
      const route = utf8(text);
      const hash = hashOf(route, 0, route.length);
      this.byHash.set(hash, [...(this.byHash.get(hash) ?? []), { route, destination: destinationOf(names.eventTopic(text)) }]);
    }
  }

  /** Undefined when the pipeline declares none by that route. */
  find(bytes: Uint8Array, start: number, length: number): T | undefined {
    const found = this.byHash.get(hashOf(bytes, start, length));
    if (found === undefined) return undefined;
    for (const { route, destination } of found) if (isSame(route, bytes, start, length)) return destination;
    return undefined;
  }
}

/**
 * Judges a row and finds where it goes.
 * @throws ClassifiedError EVENT_UNROUTABLE, ENVELOPE_INVALID, PAYLOAD_INVALID; never with a value in the message.
 */
export function routeRow<T>(row: OutboxRow, topics: TopicTable<T>): T {
  const named = row.lengthOf(COLUMN.topic);
  const destination = named < 0 ? undefined : topics.find(row.bytes, row.startOf(COLUMN.topic), named);
  if (destination === undefined) {
    const what = named < 0 ? 'no topic' : 'a topic that is not declared';
    throw new ClassifiedError('EVENT_UNROUTABLE', `the outbox row names ${what}`);
  }
  for (let column = 0; column < REQUIRED_HEADERS; column += 1) requireColumn(row, column);
  requireColumn(row, COLUMN.created_at);
  if (!isUtcText(row.bytes, row.startOf(COLUMN.created_at), row.lengthOf(COLUMN.created_at))) {
    occurredAt(row.text('created_at') ?? new Uint8Array()); // throws for what is no moment
  }
  if (row.lengthOf(COLUMN.payload) < 0) throw new ClassifiedError('PAYLOAD_INVALID', 'the outbox row has no payload');
  requireColumn(row, COLUMN.aggregateid);
  return destination;
}

/** The headers of a row that may lack any of them, in memory of their own: for a dead letter. */
export function readableHeaders(row: OutboxRow): Header[] {
  const headers: Header[] = [];
  for (const name of OUTBOX_COLUMNS.slice(0, HEADER_COLUMNS)) {
    const value = row.text(name);
    if (value !== null) headers.push([name, Buffer.from(value)]);
  }
  const created = row.text('created_at');
  if (created !== null) headers.push(['occurred_at', readableOccurredAt(created)]);
  if (row.isTableless) headers.push(textHeader(LOGICAL_MESSAGE_HEADER, 'true'));
  return headers;
}

/** The name of the topic in the row, whether it is declared or not; null when it names none. */
export function namedTopic(row: OutboxRow, names: Names): string | null {
  const route = row.text('topic');
  return route === null ? null : names.eventTopic(utf8Text(route));
}

function readableOccurredAt(text: Buffer): Uint8Array {
  try {
    return occurredAt(text);
  } catch (thrown) {
    if (thrown instanceof ClassifiedError) return Buffer.from(text);
    throw thrown;
  }
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < length; index += 1) hash = Math.imul(hash ^ (bytes[start + index] ?? 0), 0x01000193);
  return hash;
}

function isSame(route: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (route.length !== length) return false;
  for (let index = 0; index < length; index += 1) if (route[index] !== bytes[start + index]) return false;
  return true;
}
