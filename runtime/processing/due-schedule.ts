import type { Clock } from '../../core/clock.ts';
import { pause } from './pause.ts';

/** A timer waits no longer than this at once, whatever it waits for: platforms limit it. */
const SLEEP_MAX_MS = 3_600_000;

interface Entry<T> {
  readonly dueAtMs: number;
  readonly item: T;
}

/** What is due when, over one timer for the earliest: costs nothing while nothing is due, however much waits. */
export class DueSchedule<T> {
  private readonly clock: Clock;
  private readonly onDue: (item: T, dueAtMs: number) => void;
  private stopped = false;
  /** A binary heap: no entry is earlier than the one at half its place. */
  private readonly heap: Entry<T>[] = [];
  private timer: AbortController | undefined;

  /** `onDue` gets what was added, and the time that was said: the caller knows whether that still counts. */
  constructor(clock: Clock, onDue: (item: T, dueAtMs: number) => void) {
    this.clock = clock;
    this.onDue = onDue;
  }

  /** `dueAtMs` is on the clock's monotonic scale. */
  add(item: T, dueAtMs: number): void {
    const entry = { dueAtMs, item };
    this.heap.push(entry);
    this.rise(this.heap.length - 1);
    if (this.heap[0] === entry) this.wind();
  }

  get size(): number {
    return this.heap.length;
  }

  stop(): void {
    this.stopped = true;
    this.timer?.abort();
    this.timer = undefined;
  }

  /** Sets the timer anew, for the entry that is now the earliest. */
  private wind(): void {
    this.timer?.abort();
    if (this.stopped || this.heap.length === 0) return;
    const timer = new AbortController();
    this.timer = timer;
    void this.wait(timer);
  }

  private async wait(timer: AbortController): Promise<void> {
    for (let first = this.heap[0]; first !== undefined && this.timer === timer; first = this.heap[0]) {
      const waitMs = first.dueAtMs - this.clock.monotonicMs();
      if (waitMs > 0) await pause(this.clock, Math.min(waitMs, SLEEP_MAX_MS), timer.signal);
      if (this.timer === timer) this.expire();
    }
  }

  private expire(): void {
    const now = this.clock.monotonicMs();
    for (let first = this.heap[0]; first !== undefined && first.dueAtMs <= now; first = this.heap[0]) {
      this.removeFirst();
      this.onDue(first.item, first.dueAtMs);
    }
  }

  private removeFirst(): void {
    const last = this.heap.pop();
    if (last === undefined || this.heap.length === 0) return;
    this.heap[0] = last;
    this.sink(0);
  }

  private rise(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!this.isEarlier(at, parent)) return;
      this.swap(at, parent);
      at = parent;
    }
  }

  private sink(from: number): void {
    let at = from;
    for (;;) {
      let earliest = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (this.isEarlier(child, earliest)) earliest = child;
      if (earliest === at) return;
      this.swap(at, earliest);
      at = earliest;
    }
  }

  private isEarlier(a: number, b: number): boolean {
    const [left, right] = [this.heap[a], this.heap[b]];
    return left !== undefined && right !== undefined && left.dueAtMs < right.dueAtMs;
  }

  private swap(a: number, b: number): void {
    const [left, right] = [this.heap[a], this.heap[b]];
    if (left === undefined || right === undefined) return;
    this.heap[a] = right;
    this.heap[b] = left;
  }
}
