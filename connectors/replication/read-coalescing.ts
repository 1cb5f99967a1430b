/** What one read of the socket brought, and how much there is to do. */
export interface ReadLoad {
  readonly rows: number;
  readonly transactions: number;
  /** Rows a second over the last reads. */
  readonly rowsPerSecond: number;
  /** From the commit of the last transaction to its sending, both on the server's clock. */
  readonly behindMs: number;
}

/** Below it every commit is read when it comes: an idle millisecond costs more than a short read. */
const BUSY_ROWS_PER_SECOND = 10_000;
const FAR_BEHIND_MS = 1_000;
/** From so many rows in a transaction on the server sends pieces that are large by themselves. */
const SMALL_TRANSACTION_ROWS = 8;

/**
 * How many milliseconds to leave the socket alone after a read. The server's walsender sends every message as soon as it has
 * decoded it, so a quick reader wakes up for a few hundred bytes and costs both sides more than the rows themselves; a
 * reader that waits a moment finds many, and a socket that is full makes the walsender send in large pieces. Nobody waits when
 * there is little to do; transactions of many rows gain nothing from the longer wait.
 */
export function coalesceMs({ rows, transactions, rowsPerSecond, behindMs }: ReadLoad): number {
  if (rowsPerSecond < BUSY_ROWS_PER_SECOND) return 0;
  const small = rows < transactions * SMALL_TRANSACTION_ROWS;
  return small && behindMs > FAR_BEHIND_MS ? 5 : 1;
}

/** Rows a second, forgetting with a time constant of 50 ms. */
export class RowRate {
  private rate = 0;
  private lastMs: number;

  constructor(nowMs: number) {
    this.lastMs = nowMs;
  }

  /** Returns the rate now that so many more were read. */
  add(rows: number, nowMs: number): number {
    const elapsedMs = Math.max(0.01, nowMs - this.lastMs);
    this.lastMs = nowMs;
    const weight = 1 - Math.exp(-elapsedMs / 50);
    this.rate += weight * ((rows * 1000) / elapsedMs - this.rate);
    return this.rate;
  }
}
