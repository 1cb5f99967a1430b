/**
 * The partition of a key as every Kafka client computes it (murmur2, seed 0x9747b28c; Apache Kafka `Utils.murmur2`), so that
 * a record lands in the same partition whoever wrote it. The key is `bytes[start, end)`, all of it by default.
 */
export function partitionOfKey(bytes: Uint8Array, partitions: number, start = 0, end = bytes.length): number {
  return (murmur2(bytes, start, end) & 0x7fffffff) % partitions;
}

const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** A signed 32-bit integer. */
export function murmur2(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const length = end - start;
  const words = end - (length % 4);
  let hash = SEED ^ length;
  for (let at = start; at < words; at += 4) {
    let word = byte(bytes, at) | (byte(bytes, at + 1) << 8) | (byte(bytes, at + 2) << 16) | (byte(bytes, at + 3) << 24);
    word = Math.imul(word, M);
    word ^= word >>> 24;
    hash = Math.imul(hash, M) ^ Math.imul(word, M);
  }
  if (words < end) {
    for (let at = end - 1; at >= words; at -= 1) hash ^= byte(bytes, at) << ((at - words) * 8);
    hash = Math.imul(hash, M);
  }
  hash = Math.imul(hash ^ (hash >>> 13), M);
  return (hash ^ (hash >>> 15)) | 0;
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}
