import { RecentRate, coalesceMs } from './read-coalescing.ts';

/** Keeps what the last reads brought, and says after each one how long to leave the socket alone. */
export class ReadPace {
  private readonly rows: RecentRate;
  private readonly bytes: RecentRate;
  private readonly bytesMax: number;
  private rowsInRead = 0;
  private lastCommitTimeUs = 0;

  /** @param bytesMax what one read can bring at most */
  constructor(bytesMax: number, nowMs: number) {
    this.bytesMax = bytesMax;
    this.rows = new RecentRate(nowMs);
    this.bytes = new RecentRate(nowMs);
  }

  row(): void {
    this.rowsInRead += 1;
  }

  /** @param timeUs when the transaction that is read committed, on the server's clock; microseconds since the epoch. */
  transaction(timeUs: number): void {
    this.lastCommitTimeUs = timeUs;
  }

  /** Milliseconds. @param sentAtUs when the server sent the last message, on its own clock. */
  pauseAfterRead(readBytes: number, sentAtUs: number, nowMs: number): number {
    const rows = this.rowsInRead;
    this.rowsInRead = 0;
    return coalesceMs({
      bytes: readBytes,
      bytesMax: this.bytesMax,
      rowsPerSecond: this.rows.add(rows, nowMs),
      bytesPerSecond: this.bytes.add(readBytes, nowMs),
      behindMs: (sentAtUs - this.lastCommitTimeUs) / 1000,
    });
  }
}
