import { randomBytes } from 'node:crypto';
import type { RandomBytes } from '../core/trace.ts';

const POOL_BYTES = 4_096;

/** Random bytes out of a supply: a call into the operating system for every span costs more than the rest of the span. */
export function createPooledRandom(): RandomBytes {
  let pool: Uint8Array = new Uint8Array(0);
  let used = 0;
  return (length) => {
    if (length > POOL_BYTES) return randomBytes(length);
    if (used + length > pool.length) {
      pool = randomBytes(POOL_BYTES);
      used = 0;
    }
    used += length;
    return pool.subarray(used - length, used);
  };
}
