import type { Lsn } from '../../core/lsn.ts';
import { lsn } from '../../core/lsn.ts';

/**
 * Decodes the messages of PostgreSQL's `pgoutput` plugin, protocol version 1, straight from bytes. Nothing is parsed that
 * can be copied: a row stays a view of the message until its columns are asked for, and column values stay the bytes of
 * the server's text form.
 *
 * Source: PostgreSQL documentation, section "Logical Replication Message Formats".
 */
export type PgoutputMessage =
  BeginMessage | CommitMessage | Relation | InsertMessage | TypeMessage | OriginMessage | TruncateMessage | LogicalMessage | UnknownMessage;

export interface BeginMessage {
  readonly kind: 'begin';
  /** Start of the commit record: known before the first row. Not the position to acknowledge. */
  readonly commitLsn: Lsn;
  /** Microseconds since 1970-01-01 UTC. */
  readonly commitTimeUs: bigint;
  readonly xid: number;
}

export interface CommitMessage {
  readonly kind: 'commit';
  readonly commitLsn: Lsn;
  /** The first byte behind the commit record: the position to acknowledge, as it is. */
  readonly endLsn: Lsn;
  readonly commitTimeUs: bigint;
}

export interface RelationColumn {
  readonly name: string;
  readonly typeOid: number;
}

/** Sent before the first row of a relation on every connection, and again after its definition changed. */
export interface Relation {
  readonly kind: 'relation';
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly RelationColumn[];
}

export interface InsertMessage {
  readonly kind: 'insert';
  readonly relationOid: number;
  /** The new row, undecoded: see `tupleColumns`. */
  readonly tuple: Buffer;
}

export interface TypeMessage {
  readonly kind: 'type';
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
}

export interface OriginMessage {
  readonly kind: 'origin';
  readonly commitLsn: Lsn;
  readonly name: string;
}

export interface TruncateMessage {
  readonly kind: 'truncate';
  readonly relationOids: readonly number[];
}

export interface LogicalMessage {
  readonly kind: 'message';
  readonly transactional: boolean;
  readonly lsn: Lsn;
  readonly prefix: string;
  readonly content: Buffer;
}

/** A tag that this decoder does not read. The stream counts it and goes on: it must never wedge the slot. */
export interface UnknownMessage {
  readonly kind: 'unknown';
  readonly tag: string;
}

/** Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL's clock begins. */
export const POSTGRES_EPOCH_US = 946_684_800_000_000n;

/** @throws RangeError when a message that is read here ends before it should. */
export function decodePgoutput(message: Buffer): PgoutputMessage {
  switch (message[0]) {
    case 0x42: // B
      return { kind: 'begin', commitLsn: readLsn(message, 1), commitTimeUs: readTimeUs(message, 9), xid: message.readUInt32BE(17) };
    case 0x43: // C, one byte of flags that are unused
      return {
        kind: 'commit',
        commitLsn: readLsn(message, 2),
        endLsn: readLsn(message, 10),
        commitTimeUs: readTimeUs(message, 18),
      };
    case 0x52: // R
      return decodeRelation(message);
    case 0x49: // I, then 'N' before the new tuple
      if (message[5] !== 0x4e) throw new RangeError('an insert without a new tuple');
      return { kind: 'insert', relationOid: message.readUInt32BE(1), tuple: message.subarray(6) };
    case 0x59: // Y
      return decodeType(message);
    case 0x4f: // O
      return { kind: 'origin', commitLsn: readLsn(message, 1), name: new Cursor(message, 9).text() };
    case 0x54: // T
      return decodeTruncate(message);
    case 0x4d: // M
      return decodeLogicalMessage(message);
    default:
      return { kind: 'unknown', tag: message.length === 0 ? '' : String.fromCharCode(message[0] ?? 0) };
  }
}

/**
 * The columns of a row, in the order of its relation: views of the server's text form, or null for SQL NULL. An unchanged
 * TOAST value cannot occur in an insert.
 * @throws RangeError when the tuple ends before it should.
 */
export function tupleColumns(tuple: Buffer): (Buffer | null)[] {
  const count = tuple.readUInt16BE(0);
  const columns = new Array<Buffer | null>(count);
  let at = 2;
  for (let index = 0; index < count; index += 1) {
    const kind = tuple[at];
    at += 1;
    if (kind === 0x6e /* n */) {
      columns[index] = null;
      continue;
    }
    if (kind !== 0x74 /* t */) throw new RangeError('a column that is neither text nor null');
    const length = tuple.readUInt32BE(at);
    at += 4;
    if (at + length > tuple.length) throw new RangeError('a column ends behind its row');
    columns[index] = tuple.subarray(at, at + length);
    at += length;
  }
  return columns;
}

function readLsn(message: Buffer, at: number): Lsn {
  return lsn(message.readBigUInt64BE(at));
}

function readTimeUs(message: Buffer, at: number): bigint {
  return message.readBigInt64BE(at) + POSTGRES_EPOCH_US;
}

function decodeRelation(message: Buffer): Relation {
  const cursor = new Cursor(message, 1);
  const oid = cursor.uint32();
  const schema = cursor.text();
  const name = cursor.text();
  cursor.skip(1); // replica identity: inserts need none
  const columns: RelationColumn[] = [];
  for (let left = cursor.uint16(); left > 0; left -= 1) {
    cursor.skip(1); // part of the key
    const column = { name: cursor.text(), typeOid: cursor.uint32() };
    cursor.skip(4); // type modifier
    columns.push(column);
  }
  // The catalogue's schema is sent as an empty string.
  return { kind: 'relation', oid, schema: schema === '' ? 'pg_catalog' : schema, name, columns };
}

function decodeType(message: Buffer): TypeMessage {
  const cursor = new Cursor(message, 1);
  return { kind: 'type', oid: cursor.uint32(), schema: cursor.text(), name: cursor.text() };
}

function decodeTruncate(message: Buffer): TruncateMessage {
  const cursor = new Cursor(message, 1);
  const count = cursor.uint32();
  cursor.skip(1); // options: cascade, restart identity
  const relationOids: number[] = [];
  for (let left = count; left > 0; left -= 1) relationOids.push(cursor.uint32());
  return { kind: 'truncate', relationOids };
}

function decodeLogicalMessage(message: Buffer): LogicalMessage {
  const cursor = new Cursor(message, 10);
  const prefix = cursor.text();
  return {
    kind: 'message',
    transactional: (message.readUInt8(1) & 1) === 1,
    lsn: readLsn(message, 2),
    prefix,
    content: cursor.take(cursor.uint32()),
  };
}

/** Reads one field after the other; every read is checked against the end of the message. */
class Cursor {
  private readonly bytes: Buffer;
  private at: number;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  uint16(): number {
    this.at += 2;
    return this.bytes.readUInt16BE(this.at - 2);
  }

  uint32(): number {
    this.at += 4;
    return this.bytes.readUInt32BE(this.at - 4);
  }

  text(): string {
    const end = this.bytes.indexOf(0, this.at);
    if (end < 0) throw new RangeError('a text without its end');
    const text = this.bytes.toString('utf8', this.at, end);
    this.at = end + 1;
    return text;
  }

  take(length: number): Buffer {
    if (this.at + length > this.bytes.length) throw new RangeError('a field ends behind its message');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  skip(length: number): void {
    this.at += length;
  }
}
