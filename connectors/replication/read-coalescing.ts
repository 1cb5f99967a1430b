/** What one read of the socket brought, and how much there is to do. */
export interface ReadLoad {
  readonly bytes: number;
  /** What one read can bring at most. */
  readonly bytesMax: number;
  /** Over the last reads. */
  readonly rowsPerSecond: number;
  readonly bytesPerSecond: number;
  /** From the commit of the last transaction to its sending, both on the server's clock. */
  readonly behindMs: number;
}

/** Below it every commit is read when it comes: an idle millisecond costs more than a short read. */
const BUSY_ROWS_PER_SECOND = 10_000;
/** A read that is filled to this share found more than it could take; one that is to be filled aims below it. */
const FULL_SHARE = 0.75;
const WANTED_SHARE = 0.5;
/** A pause adds at most this share to how late the rows are already. */
const BEHIND_SHARE = 0.05;
/** Below the 40 ms after which the system acknowledges to the server by itself what nobody has read. */
const PAUSE_MS_MAX = 30;

/**
 * How many milliseconds to leave the socket alone after a read. The server's walsender sends every message as soon as it has
 * decoded it, so a quick reader wakes up for a few hundred bytes and costs both sides more than the rows themselves. While
 * nobody reads, nothing is acknowledged on the connection either, and soon the server's system may send nothing more: from
 * then on a message costs the walsender a copy, and what has gathered goes out in large pieces. So the pause is as long as it
 * takes to gather a large read, but in proportion to how late the rows are already. Nobody waits when there is little to do.
 */
export function coalesceMs({ bytes, bytesMax, rowsPerSecond, bytesPerSecond, behindMs }: ReadLoad): number {
  if (rowsPerSecond < BUSY_ROWS_PER_SECOND) return 0;
  // What was left in the socket holds the server up: a long pause would make the rate what the pauses allow.
  if (bytes >= bytesMax * FULL_SHARE) return 1;
  const untilWantedMs = (bytesMax * WANTED_SHARE * 1000) / bytesPerSecond;
  return Math.max(1, Math.floor(Math.min(untilWantedMs, behindMs * BEHIND_SHARE, PAUSE_MS_MAX)));
}

/** Of anything a second, forgetting with a time constant of 50 ms. */
export class RecentRate {
  private rate = 0;
  private lastMs: number;

  constructor(nowMs: number) {
    this.lastMs = nowMs;
  }

  /** Returns the rate now that so much more came. */
  add(amount: number, nowMs: number): number {
    const elapsedMs = Math.max(0.01, nowMs - this.lastMs);
    this.lastMs = nowMs;
    const weight = 1 - Math.exp(-elapsedMs / 50);
    this.rate += weight * ((amount * 1000) / elapsedMs - this.rate);
    return this.rate;
  }
}
