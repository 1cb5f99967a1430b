import type { Clock } from '../../core/clock.ts';

interface Sleeper {
  readonly wakesAtMs: number;
  readonly wake: () => void;
}

/** A clock that stands still until a test turns it. */
export class ManualClock implements Clock {
  private elapsedMs = 0;
  private readonly startedMs: number;
  private readonly sleepers = new Set<Sleeper>();

  constructor(startedMs = Date.parse('2026-03-01T09:00:00Z')) {
    this.startedMs = startedMs;
  }

  nowMs(): number {
    return this.startedMs + this.elapsedMs;
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        if (this.sleepers.delete(sleeper)) reject(signal?.reason as Error);
      };
      const wake = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const sleeper = { wakesAtMs: this.elapsedMs + ms, wake };
      this.sleepers.add(sleeper);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  /** Turns the clock, waking who is due in order of time and letting each do what follows at once before the next wakes. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.elapsedMs + ms;
    await settle();
    for (let next = this.next(untilMs); next !== undefined; next = this.next(untilMs)) {
      this.elapsedMs = Math.max(this.elapsedMs, next.wakesAtMs);
      this.sleepers.delete(next);
      next.wake();
      await settle();
    }
    this.elapsedMs = untilMs;
    await settle();
  }

  private next(untilMs: number): Sleeper | undefined {
    let first: Sleeper | undefined;
    for (const sleeper of this.sleepers)
      if (sleeper.wakesAtMs <= untilMs && (first === undefined || sleeper.wakesAtMs < first.wakesAtMs)) first = sleeper;
    return first;
  }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
