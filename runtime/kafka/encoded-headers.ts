import type { Header, HeaderBlock, HeaderTexts } from '../../core/record.ts';
import { VarintCursor } from './varint-cursor.ts';

/** Names by place, as they were last seen: the records of a topic mostly have the same ones in the same order. */
const lastNames: string[] = [];
const REMEMBERED_MAX = 64;

/**
 * The headers of one record as the log holds them (Kafka's record format v2: their number, then of each the length of its
 * name, the name, the length of its value, the value; lengths as zigzag varints, -1 for null). A consumer that lays out every
 * header of every record spends more on that than on anything else it does with a record.
 *
 * Source of the layout: Kafka documentation, section "Record Header". What a broker gives out it has checked; of bytes that
 * end too early the headers in front are there.
 */
export class EncodedHeaders implements HeaderBlock {
  private readonly bytes: Buffer;
  private readonly from: number;
  private readonly to: number;

  /** What lies in `bytes` between the two: a view of it would be one more object, for every record. */
  constructor(bytes: Buffer, from: number, to: number) {
    this.bytes = bytes;
    this.from = from;
    this.to = to;
  }

  get length(): number {
    return this.to - this.from;
  }

  /** Each laid out by itself. */
  pairs(): Header[] {
    const { bytes } = this;
    const headers: Header[] = [];
    const cursor = new Cursor(bytes, this.from, this.to);
    while (cursor.next()) {
      const value = cursor.valueAt < 0 ? null : bytes.subarray(cursor.valueAt, cursor.at);
      headers.push([bytes.toString('utf8', cursor.nameAt, cursor.nameEnd), value]);
    }
    return headers;
  }

  read(texts: HeaderTexts): void {
    const { bytes, from, to } = this;
    const all = bytes.toString('utf8', from, to);
    // As many characters as bytes: every byte is a character of its own, at the same place.
    const isPlain = all.length === to - from;
    const cursor = new Cursor(bytes, from, to);
    for (let place = 0; cursor.next(); place += 1) {
      const { nameAt, nameEnd, valueAt, at: end } = cursor;
      const name = isPlain ? nameFrom(all, place, nameAt - from, nameEnd - from) : bytes.toString('utf8', nameAt, nameEnd);
      if (valueAt < 0) texts.header(name, undefined);
      else texts.header(name, isPlain ? all.slice(valueAt - from, end - from) : bytes.toString('utf8', valueAt, end));
    }
  }
}

/** Stands at one header after the other; between two of them, at the end of the former. */
class Cursor extends VarintCursor {
  nameAt = 0;
  nameEnd = 0;
  /** -1 for null. */
  valueAt = 0;
  private readonly to: number;
  private left: number;

  constructor(bytes: Buffer, from: number, to: number) {
    super(bytes, from);
    this.to = to;
    this.left = this.varint();
  }

  /** False behind the last one, and when the bytes end too early. */
  next(): boolean {
    if (this.left <= 0) return false;
    this.left -= 1;
    const nameLength = this.varint();
    this.nameAt = this.at;
    this.nameEnd = this.at + nameLength;
    this.at = this.nameEnd;
    const valueLength = this.varint();
    this.valueAt = valueLength < 0 ? -1 : this.at;
    if (valueLength > 0) this.at += valueLength;
    return nameLength >= 0 && this.at <= this.to;
  }
}

function nameFrom(text: string, place: number, from: number, to: number): string {
  const last = lastNames[place];
  if (last !== undefined && last.length === to - from && text.startsWith(last, from)) return last;
  const name = text.slice(from, to);
  if (place < REMEMBERED_MAX) lastNames[place] = name;
  return name;
}
