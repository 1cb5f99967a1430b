import type { Header } from '../../core/record.ts';

/**
 * kafkajs holds headers as an object: the order of different names is lost, a null value cannot be written at all, and a
 * header called `constructor` meets the object's own. A record that is copied to a dead-letter topic must keep every
 * header as it was, so the patched client (kafkajs-patches.ts) passes pairs through instead.
 */
export interface WirePair {
  readonly key: string;
  readonly value: Buffer | null;
}

/** Stands for null on the way to the encoder, which asks every value for its size before it asks whether there is one. */
export const NULL_VALUE: Buffer = Buffer.alloc(0);

/** The encoder calls `map` on the values of one name, expecting pairs: here it gets the pairs of all names, in order. */
class OutgoingPairs extends Array<WirePair> {
  override map<U>(): U[] {
    return [...this] as U[];
  }
}

export function patchedHeaders(headers: readonly Header[]): Record<string, Buffer[]> {
  if (headers.length === 0) return {};
  const pairs = new OutgoingPairs();
  for (const [key, value] of headers) pairs.push({ key, value: value === null ? NULL_VALUE : asBuffer(value) });
  // What the public type calls buffers is what the encoder makes pairs of.
  return { pairs: pairs as unknown as Buffer[] };
}

/** The public way, for a client that is not patched: a null value becomes an empty one, and names are grouped. */
export function plainHeaders(headers: readonly Header[]): Record<string, Buffer[]> {
  const grouped = Object.create(null) as Record<string, Buffer[]>;
  for (const [name, value] of headers) (grouped[name] ??= []).push(value === null ? Buffer.alloc(0) : asBuffer(value));
  return grouped;
}

export function headersOf(message: unknown): Header[] {
  return Object.entries((message ?? {}) as Record<string, unknown>).flatMap(([name, values]) =>
    (Array.isArray(values) ? values : [values])
      .filter((value): value is Buffer | null => value === null || Buffer.isBuffer(value))
      .map((value) => [name, value] as const),
  );
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
