import { describe, expect, it } from 'vitest';
import { offset } from '../../core/offset.ts';
import { PartitionEpoch } from './partition-epoch.ts';

const held = (at: number, bytes = 10) => ({ record: { offset: offset(BigInt(at)) }, bytes });

function epochOf(...items: ReturnType<typeof held>[]) {
  const epoch = new PartitionEpoch({ topic: 't', partition: 0 });
  for (const item of items) epoch.begin(item);
  return epoch;
}

describe('a stay of a partition', () => {
  it('tells a new offset from one in hand, and from one below all that is in hand or finished', () => {
    const [a, b] = [held(5), held(6)];
    const epoch = epochOf(a, b);
    expect([4n, 5n, 6n, 7n].map((at) => epoch.arrival(offset(at)))).toEqual(['rewound', 'in-hand', 'in-hand', 'new']);
    epoch.finish(a);
    expect([4n, 5n, 6n, 7n].map((at) => epoch.arrival(offset(at)))).toEqual(['rewound', 'rewound', 'in-hand', 'new']);
  });

  it('never commits past a record that is given back', () => {
    const [a, b, c] = [held(5), held(6), held(7)];
    const epoch = epochOf(a, b, c);
    epoch.finish(a);
    epoch.giveBack(b);
    epoch.finish(c);
    expect(epoch.uncommitted).toBe(6n);
    expect([epoch.records, epoch.bytes, epoch.span]).toEqual([0, 0, 2]);
  });

  it('has nothing to commit twice', () => {
    const a = held(5);
    const epoch = epochOf(a);
    expect(epoch.uncommitted).toBeUndefined();
    epoch.finish(a);
    epoch.committed(offset(6n));
    expect(epoch.uncommitted).toBeUndefined();
  });

  it('counts its lag from the lowest unfinished record', () => {
    const [a, b] = [held(5), held(6)];
    const epoch = epochOf(a, b);
    expect(epoch.lag).toBe(0);
    epoch.highWatermark = offset(20n);
    expect(epoch.lag).toBe(15);
    epoch.finish(a);
    expect(epoch.lag).toBe(14);
    epoch.finish(b);
    expect(epoch.lag).toBe(13);
  });

  it('has no lag and commits up to the end when the log ends with what is no record, once its records are finished', () => {
    const [a, b] = [held(5), held(6)];
    const epoch = epochOf(a, b);
    epoch.highWatermark = offset(9n);
    epoch.readTo = offset(9n);
    epoch.finish(b);
    expect([epoch.lag, epoch.uncommitted]).toEqual([4, undefined]);
    epoch.finish(a);
    expect([epoch.lag, epoch.uncommitted]).toEqual([0, 9n]);
    epoch.committed(offset(9n));
    expect(epoch.uncommitted).toBeUndefined();
  });

  it('never commits past a record that is given back, however far was read', () => {
    const [a, b] = [held(5), held(6)];
    const epoch = epochOf(a, b);
    epoch.readTo = offset(9n);
    epoch.finish(a);
    epoch.giveBack(b);
    expect(epoch.uncommitted).toBe(6n);
  });

  it('lags by what was not read when it holds no record, and commits nothing then', () => {
    const epoch = epochOf();
    epoch.highWatermark = offset(9n);
    epoch.readTo = offset(7n);
    expect([epoch.lag, epoch.uncommitted]).toEqual([2, undefined]);
  });

  it('is idle when nothing of it runs', async () => {
    const epoch = epochOf(held(5));
    epoch.runBegins();
    epoch.runBegins();
    let idle = false;
    const waiting = epoch.idle().then(() => (idle = true));
    epoch.runEnds();
    await Promise.resolve();
    expect(idle).toBe(false);
    epoch.runEnds();
    await waiting;
    await epoch.idle();
  });
});
