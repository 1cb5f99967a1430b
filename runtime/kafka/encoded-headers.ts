import type { Header, HeaderBlock, HeaderTexts } from '../../core/record.ts';

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
      const value = cursor.valueAt < 0 ? null : bytes.subarray(cursor.valueAt, cursor.end);
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
      const { nameAt, nameEnd, valueAt, end } = cursor;
      const name = isPlain ? nameFrom(all, place, nameAt - from, nameEnd - from) : bytes.toString('utf8', nameAt, nameEnd);
      if (valueAt < 0) texts.header(name, undefined);
      else texts.header(name, isPlain ? all.slice(valueAt - from, end - from) : bytes.toString('utf8', valueAt, end));
    }
  }
}

/** Stands at one header after the other. */
class Cursor {
  nameAt = 0;
  nameEnd = 0;
  /** -1 for null. */
  valueAt = 0;
  /** Of the value, and so of the header. */
  end: number;
  private readonly bytes: Buffer;
  private readonly to: number;
  private left: number;

  constructor(bytes: Buffer, from: number, to: number) {
    this.bytes = bytes;
    this.to = to;
    this.end = from;
    this.left = this.varint();
  }

  /** False behind the last one, and when the bytes end too early. */
  next(): boolean {
    if (this.left <= 0) return false;
    this.left -= 1;
    const nameLength = this.varint();
    this.nameAt = this.end;
    this.nameEnd = this.end + nameLength;
    this.end = this.nameEnd;
    const valueLength = this.varint();
    this.valueAt = valueLength < 0 ? -1 : this.end;
    if (valueLength > 0) this.end += valueLength;
    return nameLength >= 0 && this.end <= this.to;
  }

  /** Of 32 bits, as lengths are; behind the end of the bytes it is 0. */
  private varint(): number {
    let bits = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.end] ?? 0;
      this.end += 1;
      bits |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return (bits >>> 1) ^ -(bits & 1);
  }
}

function nameFrom(text: string, place: number, from: number, to: number): string {
  const last = lastNames[place];
  if (last !== undefined && last.length === to - from && text.startsWith(last, from)) return last;
  const name = text.slice(from, to);
  if (place < REMEMBERED_MAX) lastNames[place] = name;
  return name;
}
