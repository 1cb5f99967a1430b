import type { UnitOfWorkTransaction } from '../../core/unit-of-work.ts';

type Part = 'begin' | 'inbox' | 'load' | 'decide' | 'append' | 'commit';

/** Adds up how long the parts of a step took; what is before the first part is `begin`, what is after the last one `commit`. */
export class StepTimer {
  private readonly sums = new Map<Part, number>();
  private steps = 0;

  async step(run: (timed: TimedStep) => Promise<unknown>): Promise<void> {
    const timed = new TimedStep((part, ms) => this.add(part, ms));
    await run(timed);
    timed.lap('commit');
    this.steps += 1;
  }

  reset(): void {
    this.sums.clear();
    this.steps = 0;
  }

  meanMicros(): Record<string, number> {
    return Object.fromEntries([...this.sums].map(([part, ms]) => [part, (ms * 1_000) / this.steps]));
  }

  private add(part: Part, ms: number): void {
    this.sums.set(part, (this.sums.get(part) ?? 0) + ms);
  }
}

class TimedStep {
  private readonly add: (part: Part, ms: number) => void;
  private lastMs = performance.now();

  constructor(add: (part: Part, ms: number) => void) {
    this.add = add;
  }

  /** The transaction has begun: what it does from here on is timed. */
  transaction(tx: UnitOfWorkTransaction): UnitOfWorkTransaction {
    this.lap('begin');
    return {
      lock: (name) => tx.lock(name),
      rows: (query) => this.part('load', tx.rows(query)),
      markProcessed: (key, step) => this.part('inbox', tx.markProcessed(key, step)),
      keepOutcome: (key, decision) => this.part('inbox', tx.keepOutcome(key, decision)),
      load: (aggregate, id) => this.part('load', tx.load(aggregate, id)),
      append: (aggregate, id, expectedVersion, events) => this.part('append', tx.append(aggregate, id, expectedVersion, events)),
      change: (changes) => this.part('append', tx.change(changes)),
    };
  }

  now<T>(part: Part, run: () => T): T {
    const result = run();
    this.lap(part);
    return result;
  }

  lap(part: Part): void {
    const now = performance.now();
    this.add(part, now - this.lastMs);
    this.lastMs = now;
  }

  private async part<T>(part: Part, work: Promise<T>): Promise<T> {
    const result = await work;
    this.lap(part);
    return result;
  }
}
