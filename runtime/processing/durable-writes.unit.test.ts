import { expect, it } from 'vitest';
import { settle } from '../../test/support/manual-clock.ts';
import { DurableWrites } from './durable-writes.ts';

const STUBBORN = 99;

/** Writes of numbers, whose end is said by the test. */
function underTest(options: { readonly bytes?: number } = {}) {
  const writes: number[][] = [];
  const written: number[] = [];
  const dropped: number[] = [];
  const failed: number[][] = [];
  const refused: number[] = [];
  const drained = { times: 0 };
  const unwanted = new Set<number>();
  const heldBack = new Set<number>();
  let end: (error?: Error) => void = () => undefined;
  const subject = new DurableWrites<number>({
    write: (entries) =>
      new Promise((resolve, reject) => {
        writes.push([...entries]);
        end = (error) => (error === undefined ? resolve() : reject(error));
      }),
    bytesOf: () => options.bytes ?? 1,
    isWanted: (entry) => !unwanted.has(entry),
    isHeldBack: (entry) => heldBack.has(entry),
    onWritten: (entry) => written.push(entry),
    onDropped: (entry) => dropped.push(entry),
    isRefusal: (error) => error instanceof RangeError,
    onRefused: (entry) => entry !== STUBBORN && refused.push(entry) > 0,
    onDrained: () => (drained.times += 1),
    onFailed: async (waiting) => void failed.push([...waiting]),
  });
  const finish = async (error?: Error): Promise<void> => {
    end(error);
    await settle();
  };
  return { subject, writes, written, dropped, failed, refused, drained, unwanted, heldBack, finish };
}

it('writes what comes in one turn together, what comes meanwhile next, and one write at a time', async () => {
  const { subject, writes, written, finish } = underTest();
  [1, 2, 3].forEach((entry) => subject.push(entry));
  await settle();
  [4, 5].forEach((entry) => subject.push(entry));
  await settle();
  expect(writes).toEqual([[1, 2, 3]]);
  await finish();
  expect(written).toEqual([1, 2, 3]);
  expect(writes).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
  await finish();
  subject.push(6);
  await settle();
  expect(writes.at(-1)).toEqual([6]);
});

it('repeats what failed, in its place and with what came meanwhile behind it, without what is not wanted any more', async () => {
  const { subject, writes, written, dropped, failed, unwanted, finish } = underTest();
  [1, 2, 3].forEach((entry) => subject.push(entry));
  await settle();
  subject.push(4);
  unwanted.add(2);
  await finish(new Error('away'));
  expect(failed).toEqual([[1, 2, 3, 4]]);
  expect(dropped).toEqual([2]);
  expect(writes.at(-1)).toEqual([1, 3, 4]);
  await finish();
  expect(written).toEqual([1, 3, 4]);
});

it('bounds a write in entries and in bytes, and writes one that is larger alone', async () => {
  const many = underTest();
  for (let entry = 0; entry < 1_200; entry += 1) many.subject.push(entry);
  await settle();
  await many.finish();
  await many.finish();
  expect(many.writes.map(({ length }) => length)).toEqual([500, 500, 200]);
  const large = underTest({ bytes: 5_000_000 });
  [1, 2].forEach((entry) => large.subject.push(entry));
  await settle();
  expect(large.writes).toEqual([[1]]);
});

it('writes one by one what was refused together, gives up the one that is to blame, and then writes together again', async () => {
  const { subject, writes, written, failed, refused, finish } = underTest();
  [1, 2, 3].forEach((entry) => subject.push(entry));
  await settle();
  [4, 5].forEach((entry) => subject.push(entry));
  await finish(new RangeError('refused'));
  await finish();
  await finish(new Error('away'));
  await finish(new RangeError('refused'));
  await finish();
  await finish();
  expect(writes).toEqual([[1, 2, 3], [1], [2], [2], [3], [4, 5]]);
  expect(written).toEqual([1, 3, 4, 5]);
  expect(refused).toEqual([2]);
  expect(failed).toEqual([[2, 3, 4, 5]]);
});

it('says when nothing waits any more, also when all of it was dropped', async () => {
  const { subject, writes, drained, unwanted, finish } = underTest();
  [1, 2].forEach((entry) => subject.push(entry));
  await settle();
  expect(drained.times).toBe(0);
  [1, 2].forEach((entry) => unwanted.add(entry));
  await finish(new Error('away'));
  expect(writes).toEqual([[1, 2]]);
  expect(drained.times).toBe(1);
});

it('holds back what must wait, in its place, and writes it when it may go on', async () => {
  const { subject, writes, drained, heldBack, finish } = underTest();
  heldBack.add(2);
  [1, 2, 3].forEach((entry) => subject.push(entry));
  await settle();
  await finish();
  expect(writes).toEqual([[1, 3]]);
  expect(drained.times).toBe(0);
  heldBack.delete(2);
  subject.push(4);
  subject.resume();
  await settle();
  await finish();
  expect(writes).toEqual([
    [1, 3],
    [2, 4],
  ]);
  expect(drained.times).toBe(1);
});

it('repeats what is refused and cannot be given up', async () => {
  const { subject, writes, written, failed, finish } = underTest();
  subject.push(STUBBORN);
  await settle();
  await finish(new RangeError('refused'));
  await finish();
  expect(writes).toEqual([[STUBBORN], [STUBBORN]]);
  expect(failed).toEqual([[STUBBORN]]);
  expect(written).toEqual([STUBBORN]);
});

it('writes nothing more when it is stopped', async () => {
  const { subject, writes, finish } = underTest();
  subject.push(1);
  await settle();
  subject.stop();
  await finish(new Error('away'));
  expect(writes).toEqual([[1]]);
});
