/** Stands in bytes and reads Kafka's numbers of variable length: zigzag, seven bits a byte, the lowest first. Behind the end of the bytes it reads zeros. */
export class VarintCursor {
  at: number;
  private readonly source: Buffer;

  constructor(source: Buffer, at: number) {
    this.source = source;
    this.at = at;
  }

  /** Of 32 bits, as lengths are. */
  varint(): number {
    let bits = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.source[this.at] ?? 0;
      this.at += 1;
      bits |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return (bits >>> 1) ^ -(bits & 1);
  }

  /** Of 64 bits; beyond 2^53 it is rounded, which no time in milliseconds is. */
  varlong(): number {
    let bits = 0;
    for (let factor = 1; factor < 2 ** 70; factor *= 128) {
      const byte = this.source[this.at] ?? 0;
      this.at += 1;
      bits += (byte % 128) * factor;
      if (byte < 128) break;
    }
    return bits % 2 === 0 ? bits / 2 : -(bits + 1) / 2;
  }
}
