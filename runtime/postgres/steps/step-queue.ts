/** What waits for its turn. */
export interface Claiming {
  /** Names that only one item in flight may hold: its idempotency key, its stream. */
  readonly claims: readonly string[];
}

interface StepQueueOptions<T> {
  /** Items that go together at most. */
  readonly batchMax: number;
  /** Batches at the same time. */
  readonly inFlightMax: number;
  /** Never rejects. */
  readonly run: (batch: readonly T[]) => Promise<void>;
  /** Calls back once what is due already has happened: what becomes ready in one turn of the event loop goes together. */
  readonly defer?: (callback: () => void) => void;
}

/**
 * Natural batching: what comes while a place is free goes at once and alone; what comes while all places are taken goes
 * together as soon as one is free. Nothing waits for company. Items that share a claim never go at the same time; they
 * go in the order in which they came. Memory is what was pushed: the caller bounds it.
 */
export class StepQueue<T extends Claiming> {
  private readonly options: StepQueueOptions<T>;
  private readonly defer: (callback: () => void) => void;
  private readonly claimed = new Set<string>();
  private waiting: T[] = [];
  private inFlight = 0;
  private deferred = false;

  constructor(options: StepQueueOptions<T>) {
    this.options = options;
    this.defer = options.defer ?? setImmediate;
  }

  push(item: T): void {
    this.waiting.push(item);
    this.schedule();
  }

  /** Before all others: an item that has to go again. */
  pushFirst(item: T): void {
    this.waiting.unshift(item);
    this.schedule();
  }

  private schedule(): void {
    if (this.deferred) return;
    this.deferred = true;
    this.defer(() => {
      this.deferred = false;
      this.pump();
    });
  }

  private pump(): void {
    while (this.inFlight < this.options.inFlightMax) {
      const batch = this.take();
      if (batch.length === 0) return;
      this.inFlight += 1;
      void this.options.run(batch).finally(() => {
        this.inFlight -= 1;
        for (const item of batch) for (const claim of item.claims) this.claimed.delete(claim);
        this.schedule();
      });
    }
  }

  /** The first ones whose claims nobody holds; one that waits for a claim lets none pass that wants it too. */
  private take(): readonly T[] {
    const batch: T[] = [];
    const passed = new Set<string>();
    const left: T[] = [];
    for (const item of this.waiting) {
      const blocked = item.claims.some((claim) => this.claimed.has(claim) || passed.has(claim));
      if (blocked || batch.length === this.options.batchMax) {
        left.push(item);
        for (const claim of item.claims) passed.add(claim);
      } else {
        batch.push(item);
        for (const claim of item.claims) this.claimed.add(claim);
      }
    }
    this.waiting = left;
    return batch;
  }
}
