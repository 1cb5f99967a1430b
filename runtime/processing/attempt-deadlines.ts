import type { Clock } from '../../core/clock.ts';
import { pause } from './pause.ts';

export interface Watched {
  /** By `deadlineMs()` of the moment in which it was given to `watch`. */
  readonly deadlineMs: number;
  /** Called once, unless it is released before that. */
  expire(): void;
}

/** Deadlines of attempts by how long they may take. Lengths are few: at most one per event type. */
export class AttemptDeadlines {
  private readonly clock: Clock;
  private readonly byLength = new Map<number, EqualDeadlines>();
  private stopped = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  of(timeoutMs: number): EqualDeadlines {
    const known = this.byLength.get(timeoutMs);
    if (known !== undefined) return known;
    const made = new EqualDeadlines(this.clock, timeoutMs);
    if (this.stopped) made.stop();
    this.byLength.set(timeoutMs, made);
    return made;
  }

  stop(): void {
    this.stopped = true;
    for (const deadlines of this.byLength.values()) deadlines.stop();
  }
}

/**
 * Deadlines of attempts that all may take equally long: the one that began first expires first, so one timer is enough for
 * thousands of them, and an attempt that ends in time costs no timer at all.
 */
export class EqualDeadlines {
  readonly timeoutMs: number;
  private readonly clock: Clock;
  private readonly stopped = new AbortController();
  private readonly watched = new Set<Watched>();
  private sweeping = false;

  constructor(clock: Clock, timeoutMs: number) {
    this.clock = clock;
    this.timeoutMs = timeoutMs;
  }

  /** Of an attempt that begins now, on the clock's monotonic scale. */
  deadlineMs(): number {
    return this.clock.monotonicMs() + this.timeoutMs;
  }

  watch(watched: Watched): void {
    this.watched.add(watched);
    if (!this.sweeping) void this.sweep();
  }

  release(watched: Watched): void {
    this.watched.delete(watched);
  }

  stop(): void {
    this.stopped.abort();
  }

  private async sweep(): Promise<void> {
    this.sweeping = true;
    for (let oldest = this.oldest(); oldest !== undefined && !this.stopped.signal.aborted; oldest = this.oldest()) {
      const waitMs = oldest.deadlineMs - this.clock.monotonicMs();
      if (waitMs > 0) await pause(this.clock, waitMs, this.stopped.signal);
      this.expireDue();
    }
    this.sweeping = false;
  }

  private expireDue(): void {
    const now = this.clock.monotonicMs();
    for (const watched of this.watched) {
      if (watched.deadlineMs > now) return;
      this.watched.delete(watched);
      watched.expire();
    }
  }

  private oldest(): Watched | undefined {
    for (const watched of this.watched) return watched;
    return undefined;
  }
}
