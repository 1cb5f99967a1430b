/** Below it a loop is quicker than the call into the engine. */
const LOOP_BYTES = 48;

/** Copies `source[start, start + length)`; returns where the next byte goes. */
export function copyBytes(target: Buffer, at: number, source: Buffer, start: number, length: number): number {
  if (length < LOOP_BYTES) {
    for (let index = 0; index < length; index += 1) target[at + index] = source[start + index] ?? 0;
  } else source.copy(target, at, start, start + length);
  return at + length;
}
