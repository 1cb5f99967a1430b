/**
 * The yardstick: items of one key one after another, different keys at the same time up to a limit, and nothing else. No
 * bound on what it holds, no outcome, no retry, no commit.
 */
export class BareLanes<T> {
  private readonly concurrencyMax: number;
  private readonly run: (item: T) => Promise<void>;
  private readonly lanes = new Map<string, T[]>();
  private readonly ready: string[] = [];
  private head = 0;
  private running = 0;

  constructor(concurrencyMax: number, run: (item: T) => Promise<void>) {
    this.concurrencyMax = concurrencyMax;
    this.run = run;
  }

  push(key: string, item: T): void {
    const lane = this.lanes.get(key);
    if (lane !== undefined) {
      lane.push(item);
      return;
    }
    this.lanes.set(key, [item]);
    this.ready.push(key);
    this.pump();
  }

  private pump(): void {
    while (this.running < this.concurrencyMax && this.head < this.ready.length) {
      const key = this.ready[this.head] ?? '';
      this.head += 1;
      this.begin(key);
    }
  }

  private begin(key: string): void {
    const lane = this.lanes.get(key);
    const [first] = lane ?? [];
    if (lane === undefined || first === undefined) return;
    this.running += 1;
    void this.run(first).then(() => {
      this.running -= 1;
      lane.shift();
      if (lane.length === 0) this.lanes.delete(key);
      else this.ready.push(key);
      this.pump();
    });
  }
}
