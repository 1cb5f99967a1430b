import type { Offset } from './offset.ts';

/** Kafka allows a name to appear twice and a value to be null; the pairs keep both, so that a record can be copied untouched. */
export type Header = readonly [name: string, value: Uint8Array | null];

/** Gets the headers of a record one after the other, in their order; undefined stands for null. */
export interface HeaderTexts {
  header(name: string, text: string | undefined): void;
}

/** The headers of one record in the layout of the log. */
export interface HeaderBlock {
  /** In bytes. */
  readonly length: number;
  read(texts: HeaderTexts): void;
}

/** A record as it was read. Never mutated: its bytes may have to go to a dead-letter topic as they are. */
export interface ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: Offset;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly Header[];
  /** The same headers as the log holds them, where the adapter has them so: cheaper to read, and no less exact. */
  readonly headerBlock?: HeaderBlock | undefined;
  /** Record timestamp, milliseconds since the epoch. */
  readonly timestampMs: number;
  /** The key as text, where the adapter remembers it: a record is asked for it several times. */
  readonly keyText?: string | undefined;
  /** What `recordBytes` says, where the adapter knows it without making anything. */
  readonly byteLength?: number | undefined;
}

/** A record to be produced. */
export interface ProducerRecord {
  readonly topic: string;
  /** Left out: the partition follows from the key (murmur2, as every Kafka client does it). */
  readonly partition?: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly Header[];
  readonly timestampMs?: number;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A byte order mark is a part of the text: two keys that differ in it alone are two keys. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

/** The text of the last header of that name, as Kafka's own `lastHeader` does; undefined when missing or null. */
export function headerText(headers: readonly Header[], name: string): string | undefined {
  for (let index = headers.length - 1; index >= 0; index -= 1) {
    const header = headers[index];
    if (header?.[0] === name) return header[1] === null ? undefined : decoder.decode(header[1]);
  }
  return undefined;
}

export function textHeader(name: string, value: string): Header {
  return [name, encoder.encode(value)];
}

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

export function utf8Text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The key as text; undefined for null. */
export function keyTextOf(record: Pick<ConsumedRecord, 'key' | 'keyText'>): string | undefined {
  if (record.keyText !== undefined) return record.keyText;
  const { key } = record;
  return key === null ? undefined : decoder.decode(key);
}

/** Bytes that a record holds in memory: what back-pressure counts. */
export function recordBytes(record: Pick<ConsumedRecord, 'key' | 'value' | 'headers' | 'headerBlock' | 'byteLength'>): number {
  if (record.byteLength !== undefined) return record.byteLength;
  let bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0);
  if (record.headerBlock !== undefined) return bytes + record.headerBlock.length;
  for (const [name, value] of record.headers) bytes += name.length + (value?.length ?? 0);
  return bytes;
}
