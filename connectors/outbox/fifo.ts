/** First in, first out, at a constant price. */
export class Fifo<T> {
  private items: (T | undefined)[] = [];
  private head = 0;

  push(item: T): void {
    this.items.push(item);
  }

  /** Undefined when there is none. */
  get first(): T | undefined {
    return this.items[this.head];
  }

  /** Lets go of the first, and keeps nothing of it. */
  shift(): void {
    if (this.head === this.items.length) return;
    this.items[this.head] = undefined;
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
