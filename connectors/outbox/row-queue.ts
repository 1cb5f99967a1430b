import type { SourceRow } from '../replication/stream-session.ts';

/** Rows that were read and are not yet being sent, in commit order. Its bound is the stream's limit of bytes. One reader. */
export class RowQueue {
  private rows: SourceRow[] = [];
  private head = 0;
  private wake: (() => void) | undefined;

  push(row: SourceRow): void {
    this.rows.push(row);
    this.wakeUp();
  }

  /** The first rows, at most so many and so many bytes, but at least one if there is one. */
  take(maxRows: number, maxBytes: number): SourceRow[] {
    let bytes = 0;
    let end = this.head;
    for (; end < this.rows.length && end - this.head < maxRows; end += 1) {
      bytes += this.rows[end]?.bytes ?? 0;
      if (bytes > maxBytes && end > this.head) break;
    }
    const taken = this.rows.slice(this.head, end);
    this.head = end;
    this.compact();
    return taken;
  }

  clear(): void {
    this.rows = [];
    this.head = 0;
  }

  /** Resolves when there is a row, or at the next `wakeUp`. */
  async nonEmpty(): Promise<void> {
    if (this.length > 0) return;
    await new Promise<void>((resolve) => (this.wake = resolve));
  }

  wakeUp(): void {
    this.wake?.();
    this.wake = undefined;
  }

  get length(): number {
    return this.rows.length - this.head;
  }

  /** Taken rows are let go of: a long queue must not keep what was sent. */
  private compact(): void {
    if (this.head === this.rows.length) this.clear();
    else if (this.head >= 1024 && this.head * 2 >= this.rows.length) {
      this.rows = this.rows.slice(this.head);
      this.head = 0;
    }
  }
}
