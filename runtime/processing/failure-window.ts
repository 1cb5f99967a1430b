export interface FailureWindowLimits {
  /** So many distinct keys must fail at least: one key, or a few, are poison, however often they fail. */
  readonly keysMin: number;
  /** And so many of a hundred. */
  readonly failurePercent: number;
  /** Keys that are remembered: what happened longest ago counts no more. */
  readonly keysMax: number;
  readonly windowMs: number;
}

interface Seen {
  /** `known`: it failed, and that has been dealt with: it counts no more, and is no news when it fails again. */
  readonly as: 'passed' | 'failed' | 'known';
  readonly atMs: number;
}

/** How it last went for each key, of the keys that were seen last. */
export class FailureWindow {
  private readonly limits: FailureWindowLimits;
  /** In the order of the last time. */
  private readonly keys = new Map<string, Seen>();
  private failing = 0;
  private passing = 0;

  constructor(limits: FailureWindowLimits) {
    this.limits = limits;
  }

  /** Too many keys fail for it to be their own fault. */
  get trips(): boolean {
    const { keysMin, failurePercent } = this.limits;
    return this.failing >= keysMin && this.failing * 100 >= failurePercent * (this.failing + this.passing);
  }

  get hasFailures(): boolean {
    return this.failing > 0;
  }

  /** When the key failed last, as far as that is remembered and it has not passed since. */
  lastFailureMs(key: string): number | undefined {
    const seen = this.keys.get(key);
    return seen === undefined || seen.as === 'passed' ? undefined : seen.atMs;
  }

  note(key: string, as: Seen['as'], nowMs: number): void {
    this.drop(key);
    this.keys.set(key, { as, atMs: nowMs });
    this.count(as, 1);
    for (const [oldest, seen] of this.keys) {
      if (this.keys.size <= this.limits.keysMax && nowMs - seen.atMs < this.limits.windowMs) return;
      this.drop(oldest);
    }
  }

  /** Begins to count anew. Who failed is known from now on. */
  reset(): void {
    for (const [key, seen] of this.keys) {
      if (seen.as === 'passed') this.keys.delete(key);
      else this.keys.set(key, { ...seen, as: 'known' });
    }
    this.failing = 0;
    this.passing = 0;
  }

  private drop(key: string): void {
    const seen = this.keys.get(key);
    if (seen === undefined) return;
    this.count(seen.as, -1);
    this.keys.delete(key);
  }

  private count(as: Seen['as'], by: number): void {
    if (as === 'failed') this.failing += by;
    else if (as === 'passed') this.passing += by;
  }
}
