const BATCH_MAX = 500;
const BATCH_BYTES_MAX = 4 * 1_048_576;

interface DurableWritesOptions<E> {
  /** Resolves when all of them are durable. */
  readonly write: (entries: readonly E[]) => Promise<void>;
  readonly bytesOf: (entry: E) => number;
  /** False for what need not be written any more; it is dropped when its turn comes. */
  readonly isWanted: (entry: E) => boolean;
  /** True for what must not be written yet; `resume` says that this may have changed. */
  readonly isHeldBack: (entry: E) => boolean;
  readonly onWritten: (entry: E) => void;
  readonly onDropped: (entry: E) => void;
  /** Whether the error says that something in the write can never be written, and that nothing of it was. */
  readonly isRefusal: (error: unknown) => boolean;
  /** The entry can never be written: it is given up, and those behind it go on. False when it must be tried again all the same. */
  readonly onRefused: (entry: E, error: unknown) => boolean;
  /** Nothing waits any more: everything was written, dropped or given up. */
  readonly onDrained: () => void;
  /** A write failed; it is tried again after what this returns. Gets everything that waits. */
  readonly onFailed: (waiting: readonly E[], error: unknown) => Promise<void>;
}

/**
 * Writes entries in the order in which they come: one write at a time, what comes meanwhile goes together in the next one, and
 * one that fails is repeated for as long as it takes. When a write is refused for one of its entries they are written one by
 * one, so that only that one is given up. Memory is what was pushed: the caller bounds it.
 */
export class DurableWrites<E> {
  private readonly options: DurableWritesOptions<E>;
  private waiting: E[] = [];
  private writing = false;
  private stopped = false;
  /** So many entries go one by one, because one of them was refused. */
  private alone = 0;

  constructor(options: DurableWritesOptions<E>) {
    this.options = options;
  }

  push(entry: E): void {
    this.waiting.push(entry);
    if (!this.writing) void this.writeAll();
  }

  /** Entries that were held back may be written now. */
  resume(): void {
    if (this.waiting.length > 0 && !this.writing) void this.writeAll();
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
      if (batch.length === 0) break;
      try {
        await this.options.write(batch);
        this.takeOut(batch);
        for (const entry of batch) this.options.onWritten(entry);
      } catch (error) {
        await this.notWritten(batch, error);
      }
    }
    this.writing = false;
    if (this.waiting.length === 0) this.options.onDrained();
  }

  private async notWritten(batch: readonly E[], error: unknown): Promise<void> {
    const { isRefusal, onRefused, onFailed } = this.options;
    const [entry, another] = batch;
    const refused = isRefusal(error);
    if (refused && another !== undefined) this.alone = batch.length;
    else if (refused && entry !== undefined && onRefused(entry, error)) this.takeOut(batch);
    else await onFailed(this.waiting, error);
  }

  private takeOut(batch: readonly E[]): void {
    const written = new Set(batch);
    this.waiting = this.waiting.filter((entry) => !written.has(entry));
    this.alone = Math.max(0, this.alone - batch.length);
  }

  /** The first entries that are wanted and not held back; those that are not wanted are dropped. */
  private nextBatch(): readonly E[] {
    const { isWanted, isHeldBack, bytesOf, onDropped } = this.options;
    const unwanted = this.waiting.filter((entry) => !isWanted(entry));
    if (unwanted.length > 0) {
      this.waiting = this.waiting.filter((entry) => isWanted(entry));
      for (const entry of unwanted) onDropped(entry);
    }
    const batch: E[] = [];
    let bytes = 0;
    for (const entry of this.waiting) {
      if (isHeldBack(entry)) continue;
      bytes += bytesOf(entry);
      if (batch.length > 0 && (this.alone > 0 || batch.length >= BATCH_MAX || bytes > BATCH_BYTES_MAX)) break;
      batch.push(entry);
    }
    return batch;
  }
}
