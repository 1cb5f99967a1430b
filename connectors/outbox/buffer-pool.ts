const CLASSES = [16 * 1024, 64 * 1024, 256 * 1024, 1024 * 1024];
const LARGEST = 1024 * 1024;

/** Buffers that are used again, in four sizes. What is larger is made for the moment. Keeps at most so many idle bytes. */
export class BufferPool {
  private readonly idle = new Map<number, Buffer[]>(CLASSES.map((size) => [size, []]));
  private readonly idleBytesMax: number;
  private idleBytes = 0;

  constructor(idleBytesMax: number) {
    this.idleBytesMax = idleBytesMax;
  }

  /** A buffer of at least so many bytes, with whatever it held before. */
  take(bytes: number): Buffer {
    const size = bytes > LARGEST ? bytes : (CLASSES.find((each) => each >= bytes) ?? LARGEST);
    const found = this.idle.get(size)?.pop();
    if (found === undefined) return Buffer.allocUnsafeSlow(size);
    this.idleBytes -= size;
    return found;
  }

  /** Nobody may look at the buffer any more. */
  give(buffer: Buffer): void {
    const same = this.idle.get(buffer.length);
    if (same === undefined || this.idleBytes + buffer.length > this.idleBytesMax) return;
    same.push(buffer);
    this.idleBytes += buffer.length;
  }
}
