import { ClassifiedError } from '../../core/errors.ts';
import type { Relation } from '../replication/pgoutput.ts';

/** What an event is made of, wherever it was written: the columns of an outbox. Their place in this list is their number. */
export const OUTBOX_COLUMNS = [
  'id',
  'type',
  'aggregatetype',
  'stream_id',
  'version',
  'trace_id',
  'request_id',
  'traceparent',
  'tracestate',
  'correlation_id',
  'causation_id',
  'aggregateid',
  'payload',
  'created_at',
  'topic',
] as const;
export type OutboxColumn = (typeof OUTBOX_COLUMNS)[number];

/** The number of a column. */
export const COLUMN = Object.fromEntries(OUTBOX_COLUMNS.map((name, number) => [name, number])) as Readonly<Record<OutboxColumn, number>>;

const BYTEA_OID = 17;

/** Where a table keeps the columns: read once for each definition of it that the server sends. */
export interface OutboxLayout {
  /** The number of each column of the table; -1 for one that is not known here and left alone, so that a table may grow. */
  readonly numbers: Int8Array;
  /** The payload column is `bytea`: its value is ready for the topic and is copied as it is. */
  readonly payloadIsBinary: boolean;
}

export function outboxLayout(relation: Relation): OutboxLayout {
  const numbers = Int8Array.from(relation.columns, ({ name }) => (OUTBOX_COLUMNS as readonly string[]).indexOf(name));
  return { numbers, payloadIsBinary: relation.columns.some(({ name, typeOid }) => name === 'payload' && typeOid === BYTEA_OID) };
}

/**
 * A row of an outbox as places in the bytes in which it came: the server's text of each column. One object is read into again
 * and again, so that a row costs no memory; it is good until the next read, and as long as those bytes are.
 */
export class OutboxRow {
  private readonly starts = new Int32Array(OUTBOX_COLUMNS.length);
  private readonly lengths = new Int32Array(OUTBOX_COLUMNS.length).fill(-1);
  private source: Buffer = Buffer.alloc(0);
  private binary = false;
  private tableless = false;

  get bytes(): Buffer {
    return this.source;
  }

  /** The payload is printed as `\x` and two digits for each byte, and its value is these bytes. */
  get payloadIsBinary(): boolean {
    return this.binary;
  }

  /** It was read out of a logical message, and is in no table. */
  get isTableless(): boolean {
    return this.tableless;
  }

  /** Where the column begins in `bytes`. */
  startOf(column: number): number {
    return this.starts[column] ?? 0;
  }

  /** -1 for SQL NULL, and for a column that the table has not. */
  lengthOf(column: number): number {
    return this.lengths[column] ?? -1;
  }

  /** A view of the column's text; null for SQL NULL, and for a column that the table has not. */
  text(name: OutboxColumn): Buffer | null {
    const start = this.startOf(COLUMN[name]);
    const length = this.lengthOf(COLUMN[name]);
    return length < 0 ? null : this.source.subarray(start, start + length);
  }

  /** The payload's bytes in memory of their own. */
  payload(): Buffer | null {
    const text = this.text('payload');
    if (text === null) return null;
    return this.binary ? Buffer.from(text.toString('latin1', 2), 'hex') : Buffer.from(text);
  }

  /** Never judges: a row that cannot be published must still be read, to be kept as a dead letter. */
  clear(source: Buffer, { payloadIsBinary = false, isTableless = false } = {}): void {
    this.source = source;
    this.binary = payloadIsBinary;
    this.tableless = isTableless;
    this.lengths.fill(-1);
  }

  place(column: number, start: number, length: number): void {
    this.starts[column] = start;
    this.lengths[column] = length;
  }

  /**
   * Reads a tuple of pgoutput, `bytes[start, end)`.
   * @throws RangeError when the tuple ends before it should, or holds what an insert cannot hold.
   */
  readTuple(layout: OutboxLayout, bytes: Buffer, start: number, end: number): void {
    this.clear(bytes, layout);
    if (end - start < 2) throw new RangeError('a row that is cut off');
    const count = ((bytes[start] ?? 0) << 8) | (bytes[start + 1] ?? 0);
    let at = start + 2;
    for (let index = 0; index < count; index += 1) {
      if (at >= end) throw new RangeError('a row that is cut off');
      const kind = bytes[at];
      at += 1;
      if (kind === 0x6e /* n */) continue;
      if (kind !== 0x74 /* t */) throw new RangeError('a column that is neither text nor null');
      if (at + 4 > end) throw new RangeError('a row that is cut off');
      const length = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
      at += 4;
      if (length < 0 || at + length > end) throw new RangeError('a column ends behind its row');
      const column = layout.numbers[index] ?? -1;
      if (column >= 0) this.place(column, at, length);
      at += length;
    }
  }
}

/** Reads an event out of `bytes[start, end)` into the row. @throws RangeError or ClassifiedError when it cannot be read. */
export type ReadEvent = (row: OutboxRow, bytes: Buffer, start: number, end: number) => void;

/** @throws ClassifiedError ENVELOPE_INVALID naming the column, never a value, when it has no text. */
export function requireColumn(row: OutboxRow, column: number): void {
  if (row.lengthOf(column) > 0) return;
  throw new ClassifiedError('ENVELOPE_INVALID', `the outbox row has no ${OUTBOX_COLUMNS[column] ?? 'such column'}`);
}
