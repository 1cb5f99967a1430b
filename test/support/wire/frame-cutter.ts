/** Cuts a stream of bytes into messages that begin with their length. What is not whole yet waits for the rest. */
export class FrameCutter {
  private headBytes: number;
  private lengthOf: (head: Buffer) => number;
  private rest: Buffer = Buffer.alloc(0);

  /** @param lengthOf the length of the whole message, head included, from its first `headBytes` bytes. */
  constructor(headBytes: number, lengthOf: (head: Buffer) => number) {
    this.headBytes = headBytes;
    this.lengthOf = lengthOf;
  }

  /** The messages that are whole now, in order. `onFrame` may change the framing for those that follow. */
  push(chunk: Buffer, onFrame: (frame: Buffer) => void): void {
    let bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    while (bytes.length >= this.headBytes) {
      const length = this.lengthOf(bytes.subarray(0, this.headBytes));
      if (length < this.headBytes) throw new RangeError(`a message of ${length} bytes is shorter than its own head`);
      if (bytes.length < length) break;
      const frame = bytes.subarray(0, length);
      bytes = bytes.subarray(length);
      onFrame(frame);
    }
    // A copy: the chunk belongs to the socket's pool.
    this.rest = Buffer.from(bytes);
  }

  reframe(headBytes: number, lengthOf: (head: Buffer) => number): void {
    this.headBytes = headBytes;
    this.lengthOf = lengthOf;
  }

  /** Bytes of a message that has begun and is not whole. */
  get pendingBytes(): number {
    return this.rest.length;
  }
}
