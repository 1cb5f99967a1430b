import { describe, expect, it } from 'vitest';
import { settle } from '../../../test/support/manual-clock.ts';
import { StepQueue } from './step-queue.ts';

interface Item {
  readonly name: string;
  readonly claims: readonly string[];
}

function queueOf(limits: { readonly batchMax: number; readonly inFlightMax: number }) {
  const running = new Map<string, () => void>();
  const begun: string[] = [];
  const queue = new StepQueue<Item>({
    ...limits,
    run: async (batch) => {
      const name = batch.map((item) => item.name).join('+');
      begun.push(name);
      await new Promise<void>((resolve) => running.set(name, resolve));
    },
  });
  return {
    begun,
    push: async (...items: readonly (readonly [name: string, ...claims: string[]])[]) => {
      for (const [name, ...claims] of items) queue.push({ name, claims });
      await settle();
    },
    pushFirst: (name: string, ...claims: string[]) => queue.pushFirst({ name, claims }),
    end: async (name: string) => {
      running.get(name)?.();
      await settle();
      await settle();
    },
  };
}

describe('the queue of steps', () => {
  it('lets a step go at once and alone while a place is free, and gathers the others meanwhile', async () => {
    const { begun, push, end } = queueOf({ batchMax: 10, inFlightMax: 2 });
    await push(['a', 'a']);
    await push(['b', 'b']);
    await push(['c', 'c']);
    await push(['d', 'd']);
    expect(begun).toEqual(['a', 'b']);
    await end('a');
    expect(begun).toEqual(['a', 'b', 'c+d']);
  });

  it('lets what becomes ready in one turn go together', async () => {
    const { begun, push } = queueOf({ batchMax: 2, inFlightMax: 2 });
    await push(['a', 'a'], ['b', 'b'], ['c', 'c']);
    expect(begun).toEqual(['a+b', 'c']);
  });

  it('never lets two that share a claim go at the same time, and keeps their order', async () => {
    const { begun, push, end } = queueOf({ batchMax: 10, inFlightMax: 2 });
    await push(['a1', 'stream a', 'key 1'], ['a2', 'stream a', 'key 2'], ['b1', 'stream b', 'key 2'], ['c1', 'stream c']);
    expect(begun, 'b1 must not pass a2, with which it shares a key').toEqual(['a1+c1']);
    await end('a1+c1');
    expect(begun).toEqual(['a1+c1', 'a2']);
    await end('a2');
    expect(begun).toEqual(['a1+c1', 'a2', 'b1']);
  });

  it('takes one that has to go again before all others, once its claims are free', async () => {
    const { begun, push, pushFirst, end } = queueOf({ batchMax: 1, inFlightMax: 1 });
    await push(['a', 'a'], ['b', 'b']);
    pushFirst('a again', 'a');
    await end('a');
    await end('a again');
    expect(begun).toEqual(['a', 'a again', 'b']);
  });
});
