/**
 * Follows what a handler is given: per key one record at a time, in the order of their offsets, and each once. All records
 * of a key are in one partition, and offsets of a partition begin at 0.
 */
export class OrderCheck {
  private readonly newest: Float64Array;
  private readonly running: Uint8Array;
  private readonly seen = new Map<number, Uint8Array>();
  private readonly capacity: number;
  /** Different records that were begun. */
  distinct = 0;
  ended = 0;
  /** Records that began beside another one of their key, or behind a later one. */
  violations = 0;
  /** Records that began again. */
  repeats = 0;

  /** @param capacity records that one partition holds at most. */
  constructor(keys: number, capacity: number) {
    this.newest = new Float64Array(keys).fill(-1);
    this.running = new Uint8Array(keys);
    this.capacity = capacity;
  }

  begin(key: number, partition: number, offset: number): void {
    if (this.running[key] === 1) this.violations += 1;
    this.running[key] = 1;
    if (this.wasSeen(partition, offset)) {
      this.repeats += 1;
      return;
    }
    this.distinct += 1;
    if (offset < (this.newest[key] ?? NaN)) this.violations += 1;
    else this.newest[key] = offset;
  }

  end(key: number): void {
    this.running[key] = 0;
    this.ended += 1;
  }

  private wasSeen(partition: number, offset: number): boolean {
    let seen = this.seen.get(partition);
    if (seen === undefined) {
      seen = new Uint8Array(this.capacity);
      this.seen.set(partition, seen);
    }
    if (seen[offset] === 1) return true;
    seen[offset] = 1;
    return false;
  }
}
