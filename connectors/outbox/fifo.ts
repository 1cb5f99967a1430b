/** First in, first out, at a constant price. */
export class Fifo<T> {
  private items: T[] = [];
  private head = 0;

  push(item: T): void {
    this.items.push(item);
  }

  /** Undefined when there is none. */
  get first(): T | undefined {
    return this.items[this.head];
  }

  /** Lets go of the first. Of what was let go of, memory keeps at most as many as wait, or 1,023, until the next compaction. */
  shift(): void {
    if (this.head === this.items.length) return;
    this.head += 1;
    if (this.head === this.items.length) this.clear();
    else if (this.head >= 1024 && this.head * 2 >= this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
  }

  clear(): void {
    this.items = [];
    this.head = 0;
  }

  get length(): number {
    return this.items.length - this.head;
  }
}
