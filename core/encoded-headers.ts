import type { Header, HeaderBlock, HeaderTexts } from './record.ts';

const decoder = new TextDecoder();

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
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get length(): number {
    return this.bytes.length;
  }

  /** Each laid out by itself. */
  pairs(): Header[] {
    const { bytes } = this;
    const headers: Header[] = [];
    const cursor = new Cursor(bytes);
    while (cursor.next()) {
      const value = cursor.valueAt < 0 ? null : bytes.subarray(cursor.valueAt, cursor.end);
      headers.push([decoder.decode(bytes.subarray(cursor.nameAt, cursor.nameEnd)), value]);
    }
    return headers;
  }

  read(texts: HeaderTexts): void {
    // As many characters as bytes: every byte is a character of its own, at the same place.
    const all = decoder.decode(this.bytes);
    if (all.length !== this.bytes.length) {
      for (const [name, value] of this.pairs()) texts.header(name, value === null ? undefined : decoder.decode(value));
      return;
    }
    const cursor = new Cursor(this.bytes);
    for (let place = 0; cursor.next(); place += 1) {
      const name = nameFrom(all, place, cursor.nameAt, cursor.nameEnd);
      texts.header(name, cursor.valueAt < 0 ? undefined : all.slice(cursor.valueAt, cursor.end));
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
  end = 0;
  private readonly bytes: Uint8Array;
  private left: number;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
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
    return nameLength >= 0 && this.end <= this.bytes.length;
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
