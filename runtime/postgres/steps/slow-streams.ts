import type { Claiming } from './step-queue.ts';

const REMEMBERED_MS = 60_000;
const STREAMS_MAX = 1_000;

/**
 * Whose steps made a batch wait for too long a short while ago: they go alone at once, instead of costing the next batch
 * the same wait. Bounded; what is not remembered is found out again.
 */
export class SlowStreams {
  private readonly nowMs: () => number;
  private readonly until = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  remember({ claims }: Claiming): void {
    for (const claim of claims) {
      this.until.delete(claim);
      this.until.set(claim, this.nowMs() + REMEMBERED_MS);
    }
    for (const oldest of this.until.keys()) {
      if (this.until.size <= STREAMS_MAX) break;
      this.until.delete(oldest);
    }
  }

  has({ claims }: Claiming): boolean {
    if (this.until.size === 0) return false;
    return claims.some((claim) => {
      const untilMs = this.until.get(claim);
      if (untilMs === undefined) return false;
      if (untilMs > this.nowMs()) return true;
      this.until.delete(claim);
      return false;
    });
  }
}
