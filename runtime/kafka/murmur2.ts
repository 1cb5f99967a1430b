/**
 * The partition of a key as every Kafka client computes it (murmur2, seed 0x9747b28c; Apache Kafka `Utils.murmur2`), so that
 * a record lands in the same partition whoever wrote it.
 */
export function partitionOfKey(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** A signed 32-bit integer. */
export function murmur2(data: Uint8Array): number {
  const length = data.length;
  const words = length - (length % 4);
  let hash = SEED ^ length;
  for (let index = 0; index < words; index += 4) {
    let word = byte(data, index) | (byte(data, index + 1) << 8) | (byte(data, index + 2) << 16) | (byte(data, index + 3) << 24);
    word = Math.imul(word, M);
    word ^= word >>> 24;
    hash = Math.imul(hash, M) ^ Math.imul(word, M);
  }
  if (words < length) {
    for (let index = length - 1; index >= words; index -= 1) hash ^= byte(data, index) << ((index - words) * 8);
    hash = Math.imul(hash, M);
  }
  hash = Math.imul(hash ^ (hash >>> 13), M);
  return (hash ^ (hash >>> 15)) | 0;
}

function byte(data: Uint8Array, index: number): number {
  return data[index] ?? 0;
}
