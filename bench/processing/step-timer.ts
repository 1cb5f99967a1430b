/** Adds up how long the parts of a step took; what is left of a step before its first part is `begin`, after its last one `commit`. */
export class StepTimer {
  private readonly sums = new Map<string, number>();
  private steps = 0;

  async step(run: (timed: TimedStep) => Promise<unknown>): Promise<void> {
    const timed = new TimedStep((part, ms) => this.add(part, ms));
    await run(timed);
    timed.ended();
    this.steps += 1;
  }

  reset(): void {
    this.sums.clear();
    this.steps = 0;
  }

  meanMicros(): Record<string, number> {
    return Object.fromEntries([...this.sums].map(([part, ms]) => [part, (ms * 1_000) / this.steps]));
  }

  private add(part: string, ms: number): void {
    this.sums.set(part, (this.sums.get(part) ?? 0) + ms);
  }
}

class TimedStep {
  private readonly add: (part: string, ms: number) => void;
  private lastMs = performance.now();

  constructor(add: (part: string, ms: number) => void) {
    this.add = add;
  }

  /** The transaction has begun. */
  begun(): void {
    this.lap('begin');
  }

  async part<T>(name: string, run: () => Promise<T>): Promise<T> {
    const result = await run();
    this.lap(name);
    return result;
  }

  ended(): void {
    this.lap('commit');
  }

  private lap(part: string): void {
    const now = performance.now();
    this.add(part, now - this.lastMs);
    this.lastMs = now;
  }
}
