/** Reads the primitive types of Kafka's protocol, one after the other. Reading behind the end throws. */
export class WireReader {
  private readonly bytes: Buffer;
  private at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  int8(): number {
    this.at += 1;
    return this.bytes.readInt8(this.at - 1);
  }

  int16(): number {
    this.at += 2;
    return this.bytes.readInt16BE(this.at - 2);
  }

  int32(): number {
    this.at += 4;
    return this.bytes.readInt32BE(this.at - 4);
  }

  int64(): bigint {
    this.at += 8;
    return this.bytes.readBigInt64BE(this.at - 8);
  }

  take(length: number): Buffer {
    if (length < 0 || length > this.left) throw new RangeError(`${length} bytes are wanted and ${this.left} are left`);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  unsignedVarint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      if (shift > 28) throw new RangeError('a number of more than five bytes');
      const byte = this.int8() & 0xff;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  /** Zigzag; exact up to 2^53. */
  varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      if (shift > 63) throw new RangeError('a number of more than ten bytes');
      const byte = this.int8() & 0xff;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
  }

  /** Null when the length is -1. */
  nullableString(): string | null {
    const length = this.int16();
    return length < 0 ? null : this.take(length).toString('utf8');
  }

  compactNullableString(): string | null {
    const length = this.unsignedVarint() - 1;
    return length < 0 ? null : this.take(length).toString('utf8');
  }

  tags(): void {
    for (let left = this.unsignedVarint(); left > 0; left -= 1) {
      this.unsignedVarint();
      this.take(this.unsignedVarint());
    }
  }
}
