import type { Clock } from '../../core/clock.ts';
import { pause } from './pause.ts';

export interface Watched {
  /** By `deadlineMs()` of the moment in which it was given to `watch`. */
  readonly deadlineMs: number;
  /** Those that were given before and after it: a list that costs a record two fields, and nothing to leave. */
  earlier: Watched | undefined;
  later: Watched | undefined;
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
  private oldest: Watched | undefined;
  private newest: Watched | undefined;
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
    watched.earlier = this.newest;
    if (this.newest === undefined) this.oldest = watched;
    else this.newest.later = watched;
    this.newest = watched;
    if (!this.sweeping) void this.sweep();
  }

  /** Once it is released, or has expired, nothing happens any more. */
  release(watched: Watched): void {
    const { earlier, later } = watched;
    if (earlier === undefined && this.oldest !== watched) return;
    if (earlier === undefined) this.oldest = later;
    else earlier.later = later;
    if (later === undefined) this.newest = earlier;
    else later.earlier = earlier;
    watched.earlier = undefined;
    watched.later = undefined;
  }

  stop(): void {
    this.stopped.abort();
  }

  private async sweep(): Promise<void> {
    this.sweeping = true;
    while (this.oldest !== undefined && !this.stopped.signal.aborted) {
      const waitMs = this.oldest.deadlineMs - this.clock.monotonicMs();
      if (waitMs > 0) await pause(this.clock, waitMs, this.stopped.signal);
      this.expireDue();
    }
    this.sweeping = false;
  }

  private expireDue(): void {
    const now = this.clock.monotonicMs();
    for (let due = this.oldest; due !== undefined && due.deadlineMs <= now; due = this.oldest) {
      this.release(due);
      due.expire();
    }
  }
}
