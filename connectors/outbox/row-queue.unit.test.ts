import { describe, expect, it } from 'vitest';
import type { SourceRow } from '../replication/stream-session.ts';
import { RowQueue } from './row-queue.ts';

const row = (bytes: number) => ({ bytes }) as SourceRow;

describe('the queue of rows', () => {
  it('gives rows in order, bounded by number and by bytes, but never none', () => {
    const queue = new RowQueue();
    const rows = [row(10), row(10), row(500), row(10), row(10), row(10)];
    for (const each of rows) queue.push(each);
    expect(queue.take(10, 25)).toEqual(rows.slice(0, 2));
    expect(queue.take(10, 25)).toEqual([rows[2]]);
    expect(queue.take(2, 25)).toEqual(rows.slice(3, 5));
    expect(queue.take(2, 25)).toEqual([rows[5]]);
    expect(queue.take(2, 25)).toEqual([]);
  });

  it('keeps its order over many rows', () => {
    const queue = new RowQueue();
    const seen: number[] = [];
    for (let index = 0; index < 10_000; index += 1) {
      queue.push(row(index));
      if (index % 3 === 0) seen.push(...queue.take(2, 1e9).map((each) => each.bytes));
    }
    seen.push(...queue.take(1e9, 1e12).map((each) => each.bytes));
    expect(seen).toEqual(Array.from({ length: 10_000 }, (_, index) => index));
    expect(queue.length).toBe(0);
  });

  it('wakes the one who waits for a row', async () => {
    const queue = new RowQueue();
    const waiting = queue.nonEmpty();
    queue.push(row(1));
    await waiting;
    queue.clear();
    const again = queue.nonEmpty();
    queue.wakeUp();
    await again;
    expect(queue.length).toBe(0);
  });
});
