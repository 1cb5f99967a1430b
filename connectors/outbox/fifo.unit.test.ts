import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { Fifo } from './fifo.ts';

describe('a fifo', () => {
  it('gives what it got, in order, over many rounds', () => {
    const fifo = new Fifo<number>();
    const got: number[] = [];
    for (let item = 0; item < 10_000; item += 1) {
      fifo.push(item);
      if (item % 3 === 2) continue;
      got.push(fifo.first!);
      fifo.shift();
    }
    while (fifo.first !== undefined) {
      got.push(fifo.first);
      fifo.shift();
    }
    expect(got).toEqual(Array.from({ length: 10_000 }, (_, item) => item));
    expect(fifo.length).toBe(0);
  });

  it('is empty after it was cleared, and takes more', () => {
    const fifo = new Fifo<string>();
    fifo.shift();
    fifo.push('a');
    fifo.clear();
    expect([fifo.first, fifo.length]).toEqual([undefined, 0]);
    fifo.push('b');
    expect([fifo.first, fifo.length]).toEqual(['b', 1]);
  });

  it('keeps nothing of what it let go of', async () => {
    const fifo = new Fifo<object>();
    const taken = (() => {
      const item = { some: 'thing' };
      fifo.push(item);
      fifo.push({});
      fifo.shift();
      return new WeakRef(item);
    })();
    await new Promise((resolve) => setImmediate(resolve)); // until then a WeakRef holds what it was made for
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    expect(taken.deref()).toBeUndefined();
    expect(fifo.length).toBe(1);
  });
});
