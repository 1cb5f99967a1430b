/**
 * Answers one question: up to which position is *everything* finished? Positions begin in ascending order and finish in
 * any order; the watermark is the last position of the longest finished prefix.
 *
 * Gaps are normal (compaction and transaction markers in Kafka, skipped transactions in the WAL): the list of positions
 * that began is kept, and never a counter.
 *
 * Pure and bounded: memory is proportional to what has begun and is not yet below the watermark.
 */
export class Watermark<P extends bigint> {
  private readonly begun: P[] = [];
  /** Beside each of them, whether it is finished. */
  private readonly finished: boolean[] = [];
  private head = 0;
  private last: P | undefined;
  private lastBegun: P | undefined;

  /** @throws RangeError when positions do not ascend: a position that begins twice would be counted twice. */
  begin(position: P): void {
    if (this.lastBegun !== undefined && position <= this.lastBegun) {
      throw new RangeError(`position ${position} began after ${this.lastBegun}: positions must ascend`);
    }
    this.lastBegun = position;
    this.begun.push(position);
    this.finished.push(false);
  }

  /** Returns true when the watermark moved. Finishing a position that never began, or twice, is an error of the caller. */
  finish(position: P): boolean {
    const index = this.indexOf(position);
    if (this.finished[index] !== false) throw new RangeError(`position ${position} is not in flight`);
    this.finished[index] = true;
    if (index !== this.head) return false;
    while (this.finished[this.head] === true) this.head += 1;
    this.last = this.begun[this.head - 1];
    this.compact();
    return true;
  }

  /** The last position of the finished prefix, or undefined when not even the first one is finished. */
  get finishedThrough(): P | undefined {
    return this.last;
  }

  get lowestUnfinished(): P | undefined {
    return this.begun[this.head];
  }

  /** How many positions began and are not yet below the watermark, finished ones above a gap included. */
  get inFlight(): number {
    return this.begun.length - this.head;
  }

  /** Among those that are not below the watermark; -1 for none. */
  private indexOf(position: P): number {
    let low = this.head;
    let high = this.begun.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const candidate = this.begun[middle] as P;
      if (candidate === position) return middle;
      if (candidate < position) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  private compact(): void {
    if (this.head < 1024 || this.head * 2 < this.begun.length) return;
    this.begun.splice(0, this.head);
    this.finished.splice(0, this.head);
    this.head = 0;
  }
}
