const BATCH_MAX = 500;
const BATCH_BYTES_MAX = 4 * 1_048_576;

interface DurableWritesOptions<E> {
  /** Resolves when all of them are durable. */
  readonly write: (entries: readonly E[]) => Promise<void>;
  readonly bytesOf: (entry: E) => number;
  /** False for what need not be written any more; it is dropped when its turn comes. */
  readonly isWanted: (entry: E) => boolean;
  readonly onWritten: (entry: E) => void;
  readonly onDropped: (entry: E) => void;
  /** A write failed; it is tried again after what this returns. Gets everything that waits. */
  readonly onFailed: (waiting: readonly E[], error: unknown) => Promise<void>;
}

/**
 * Writes entries in the order in which they come: one write at a time, what comes meanwhile goes together in the next one, and
 * one that fails is repeated for as long as it takes. Memory is what was pushed: the caller bounds it.
 */
export class DurableWrites<E> {
  private readonly options: DurableWritesOptions<E>;
  private waiting: E[] = [];
  private writing = false;
  private stopped = false;

  constructor(options: DurableWritesOptions<E>) {
    this.options = options;
  }

  push(entry: E): void {
    this.waiting.push(entry);
    if (!this.writing) void this.writeAll();
  }

  /** What is not written yet never will be. */
  stop(): void {
    this.stopped = true;
  }

  private async writeAll(): Promise<void> {
    this.writing = true;
    // Whatever is pushed in this same turn goes together.
    await Promise.resolve();
    while (this.waiting.length > 0 && !this.stopped) {
      const batch = this.nextBatch();
      if (batch.length === 0) continue;
      try {
        await this.options.write(batch);
        this.waiting = this.waiting.slice(batch.length);
        for (const entry of batch) this.options.onWritten(entry);
      } catch (error) {
        await this.options.onFailed(this.waiting, error);
      }
    }
    this.writing = false;
  }

  /** The first entries that are wanted; those before and between them that are not are dropped. */
  private nextBatch(): readonly E[] {
    const unwanted = this.waiting.filter((entry) => !this.options.isWanted(entry));
    if (unwanted.length > 0) {
      this.waiting = this.waiting.filter((entry) => this.options.isWanted(entry));
      for (const entry of unwanted) this.options.onDropped(entry);
    }
    let bytes = 0;
    let count = 0;
    for (const entry of this.waiting) {
      bytes += this.options.bytesOf(entry);
      if (count > 0 && (count >= BATCH_MAX || bytes > BATCH_BYTES_MAX)) break;
      count += 1;
    }
    return this.waiting.slice(0, count);
  }
}
