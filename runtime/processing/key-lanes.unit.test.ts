import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { settle } from '../../test/support/manual-clock.ts';
import type { LaneVerdict } from './key-lanes.ts';
import { AGAIN, FINISHED, KeyLanes } from './key-lanes.ts';

interface Item {
  readonly lane: string;
  readonly name: string;
}

/** Lanes whose items end when the test says so. */
function lanesOf(concurrencyMax: number) {
  const begun: string[] = [];
  const running = new Map<string, Item>();
  const defects: unknown[] = [];
  const lanes = new KeyLanes<Item>({
    concurrencyMax,
    run: (item) => {
      begun.push(item.name);
      running.set(item.name, item);
    },
    onDefect: (error) => defects.push(error),
  });
  const push = (...names: string[]) => {
    for (const name of names) lanes.push({ lane: name[0]!, name });
  };
  const end = async (name: string, verdict: LaneVerdict = FINISHED) => {
    lanes.ended(running.get(name)!, verdict);
    await settle();
  };
  const fail = async (name: string) => {
    lanes.failed(running.get(name)!, new Error('defect'));
    await settle();
  };
  return { lanes, begun, defects, push, end, fail };
}

describe('lanes by key', () => {
  it('run items of one lane one after another and those of different lanes at the same time', async () => {
    const { begun, push, end } = lanesOf(10);
    push('a1', 'a2', 'b1');
    expect(begun).toEqual(['a1', 'b1']);
    await end('a1');
    expect(begun).toEqual(['a1', 'b1', 'a2']);
  });

  it('run no more than the limit, and take up who waits longest', async () => {
    const { begun, push, end } = lanesOf(2);
    push('a1', 'b1', 'c1', 'd1', 'a2');
    expect(begun).toEqual(['a1', 'b1']);
    await end('b1');
    await end('a1');
    expect(begun).toEqual(['a1', 'b1', 'c1', 'd1']);
  });

  it('take an item in front of all that do not run, also of one that waits to run again', async () => {
    const { lanes, begun, push, end } = lanesOf(10);
    push('a1', 'a2');
    lanes.pushFirst({ lane: 'a', name: 'a0' });
    lanes.pushFirst({ lane: 'b', name: 'b1' });
    expect(begun).toEqual(['a1', 'b1']);
    await end('a1');
    await end('a0', { kind: 'again', after: new Promise(() => undefined) });
    lanes.pushFirst({ lane: 'a', name: 'a9' });
    await end('a9');
    expect(begun).toEqual(['a1', 'b1', 'a0', 'a9', 'a0']);
  });

  it('keep an item that runs again at the head of its lane', async () => {
    const { begun, push, end } = lanesOf(10);
    push('a1', 'a2');
    await end('a1', AGAIN);
    expect(begun).toEqual(['a1', 'a1']);
    await end('a1');
    expect(begun).toEqual(['a1', 'a1', 'a2']);
  });

  it('lend the place of an item that waits to another lane', async () => {
    const { begun, push, end } = lanesOf(1);
    push('a1', 'a2', 'b1');
    let wake = (): void => undefined;
    await end('a1', { kind: 'again', after: new Promise((resolve) => (wake = resolve)) });
    expect(begun).toEqual(['a1', 'b1']);
    await end('b1');
    expect(begun).toEqual(['a1', 'b1']);
    wake();
    await settle();
    expect(begun).toEqual(['a1', 'b1', 'a1']);
  });

  it('begin nothing once they are closed', async () => {
    const { lanes, begun, push, end } = lanesOf(10);
    push('a1', 'a2', 'b1');
    lanes.close();
    push('c1');
    await end('a1');
    await end('b1', { kind: 'again', after: Promise.resolve() });
    expect(begun).toEqual(['a1', 'b1']);
  });

  it('give out what has not begun, begin none of it meanwhile, and leave what runs', async () => {
    const { lanes, begun, push, end } = lanesOf(2);
    push('a1', 'a2', 'b1', 'c1', 'c2');
    await end('b1', { kind: 'again', after: new Promise(() => undefined) });
    push('d1');
    expect(begun).toEqual(['a1', 'b1', 'c1']);
    const removed = lanes.remove(({ name }) => name !== 'd1');
    expect(removed.map(({ name }) => name).sort()).toEqual(['a2', 'b1', 'c2']);
    await end('a1');
    await end('c1');
    expect(begun).toEqual(['a1', 'b1', 'c1', 'd1']);
  });

  it('go on with the next item when a waiting head is taken out, and let its waking pass', async () => {
    const { lanes, begun, push, end } = lanesOf(2);
    push('a1', 'a2');
    let wake = (): void => undefined;
    await end('a1', { kind: 'again', after: new Promise((resolve) => (wake = resolve)) });
    lanes.remove(({ name }) => name === 'a1');
    expect(begun).toEqual(['a1', 'a2']);
    wake();
    await settle();
    expect(begun).toEqual(['a1', 'a2']);
  });

  it('take no end of an item that does not run', async () => {
    const { lanes, begun, push, end } = lanesOf(1);
    push('a1', 'b1');
    lanes.ended({ lane: 'b', name: 'b1' }, FINISHED);
    expect(begun).toEqual(['a1']);
    await end('a1');
    await end('a1');
    expect(begun).toEqual(['a1', 'b1']);
  });

  it('do not go deeper with each item that ends at once', () => {
    let ended = 0;
    let first: { lane: string } | undefined;
    const lanes = new KeyLanes<{ lane: string }>({
      concurrencyMax: 1,
      run: (item) => {
        // The first one holds up the others, until there are many.
        if (first === undefined) first = item;
        else lanes.ended(item, FINISHED);
        ended += 1;
      },
      onDefect: (error) => expect.fail(String(error)),
    });
    for (let n = 0; n < 20_000; n += 1) lanes.push({ lane: `${n}` });
    expect(ended).toBe(1);
    lanes.ended(first!, FINISHED);
    expect(ended).toBe(20_000);
  });

  it('close and report when the run of an item throws', () => {
    const defects: unknown[] = [];
    const lanes = new KeyLanes<{ lane: string }>({
      concurrencyMax: 1,
      run: () => {
        throw new Error('defect');
      },
      onDefect: (error) => defects.push(error),
    });
    lanes.push({ lane: 'a' });
    lanes.push({ lane: 'b' });
    expect(defects).toHaveLength(1);
  });

  it('close and report when an item breaks off', async () => {
    const { begun, defects, push, fail } = lanesOf(1);
    push('a1', 'b1');
    await fail('a1');
    expect(defects).toHaveLength(1);
    expect(begun).toEqual(['a1']);
  });

  it('keep the order of a lane and the limit over very many items', async () => {
    const order = new Map<string, number>();
    let running = 0;
    let most = 0;
    const lanes = new KeyLanes<{ lane: string; n: number }>({
      concurrencyMax: 7,
      run: (item) => {
        const { lane, n } = item;
        running += 1;
        most = Math.max(most, running);
        void Promise.resolve().then(() => {
          expect(order.get(lane) ?? -1).toBe(n - 1);
          order.set(lane, n);
          running -= 1;
          lanes.ended(item, FINISHED);
        });
      },
      onDefect: (error) => expect.fail(String(error)),
    });
    for (let n = 0; n < 500; n += 1) for (let lane = 0; lane < 20; lane += 1) lanes.push({ lane: `${lane}`, n });
    await settle();
    expect([...order.values()]).toEqual(Array<number>(20).fill(499));
    expect(most).toBe(7);
  });

  it('hold nothing of an item that has left, however few follow it', async () => {
    const left: WeakRef<Item>[] = [];
    const lanes = new KeyLanes<Item>({
      concurrencyMax: 7,
      run: (item) => {
        left.push(new WeakRef(item));
        void Promise.resolve().then(() => lanes.ended(item, FINISHED));
      },
      onDefect: (error) => expect.fail(String(error)),
    });
    for (let n = 0; n < 100; n += 1) lanes.push({ lane: `${n}`, name: `${n}` });
    await settle();
    await collectGarbage();
    expect(left).toHaveLength(100);
    expect(left.filter((item) => item.deref() !== undefined)).toEqual([]);
  });
});

async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // What a weak reference was asked for or made of stays until the turn of the event loop is over.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
}
