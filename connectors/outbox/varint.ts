/** Kafka's variable-length integers: zigzag, seven bits a byte, the low ones first. */

/** Bytes of an integer that fits 53 bits with its sign. */
export function varintBytes(value: number): number {
  let rest = value >= 0 ? value * 2 : -value * 2 - 1;
  if (rest < 0x80) return 1;
  if (rest < 0x4000) return 2;
  if (rest < 0x20_0000) return 3;
  let bytes = 3;
  for (rest = Math.floor(rest / 0x20_0000); rest > 0; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}

/** Returns where the next byte goes. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  let rest = value >= 0 ? value * 2 : -value * 2 - 1;
  let next = at;
  // Beyond 31 bits the shifts would lose some.
  for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 0x80)) target[next++] = (rest % 0x80) | 0x80;
  for (; rest > 0x7f; rest >>>= 7) target[next++] = (rest & 0x7f) | 0x80;
  target[next++] = rest;
  return next;
}

/** Reads one integer after the other. */
export class VarintReader {
  private readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  /** @throws RangeError when the bytes end inside of it. */
  next(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.bytes[this.at];
      if (byte === undefined) throw new RangeError('an integer is cut off');
      this.at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** The bytes behind a length; null for a length of -1. */
  sized(): Uint8Array | null {
    const length = this.next();
    if (length < 0) return null;
    if (this.at + length > this.bytes.length) throw new RangeError('a field is cut off');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}
