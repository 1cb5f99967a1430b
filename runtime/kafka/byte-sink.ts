const FIRST_BYTES = 65_536;
/** What one fetch can hold at most is a fraction of it: whatever says more would only use up the memory. */
export const BYTES_MAX = 256 * 1_048_576;

/** Bytes that are being decompressed. @throws RangeError when a step leads outside of what is there, or there is too much. */
export class ByteSink {
  private buffer = Buffer.allocUnsafe(FIRST_BYTES);
  private end = 0;

  get length(): number {
    return this.end;
  }

  bytes(): Buffer {
    return this.buffer.subarray(0, this.end);
  }

  append(source: Buffer, from: number, length: number): void {
    if (from + length > source.length) throw new RangeError('compressed bytes are cut off');
    this.reserve(length);
    source.copy(this.buffer, this.end, from, from + length);
    this.end += length;
  }

  /** Repeats what stands so far back; it may overlap with itself. */
  copy(distance: number, length: number): void {
    if (distance === 0 || distance > this.end) throw new RangeError('compressed bytes refer to what is not there');
    this.reserve(length);
    if (distance >= length) {
      this.buffer.copyWithin(this.end, this.end - distance, this.end - distance + length);
      this.end += length;
      return;
    }
    for (const end = this.end + length; this.end < end; this.end += 1) this.buffer[this.end] = this.buffer[this.end - distance] ?? 0;
  }

  private reserve(length: number): void {
    const needed = this.end + length;
    if (needed > BYTES_MAX) throw new RangeError('compressed bytes become more than anything that is read at once');
    if (needed <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.min(BYTES_MAX, Math.max(needed, 2 * this.buffer.length)));
    this.buffer.copy(larger, 0, 0, this.end);
    this.buffer = larger;
  }
}
