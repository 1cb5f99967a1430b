import { expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { DueSchedule } from './due-schedule.ts';

/** Counts the timers that wait at the same time. */
class CountingClock extends ManualClock {
  waiting = 0;

  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.waiting += 1;
    try {
      await super.sleep(ms, signal);
    } finally {
      this.waiting -= 1;
    }
  }
}

it('says what is due in the order of time, over one timer however much waits', async () => {
  const clock = new CountingClock();
  const due: [number, number][] = [];
  const schedule = new DueSchedule<number>(clock, (item, dueAtMs) => due.push([item, dueAtMs]));
  const times = Array.from({ length: 1_000 }, (_, index) => (index * 7_919) % 1_000);
  for (const time of times) schedule.add(time, time);
  await clock.advance(499);
  expect(due.map(([item]) => item)).toEqual(Array.from({ length: 500 }, (_, time) => time));
  expect(clock.waiting).toBe(1);
  await clock.advance(501);
  expect(due).toHaveLength(1_000);
  expect([schedule.size, clock.waiting]).toEqual([0, 0]);
});

it('takes in what is due at once, earlier than what waits, or while others become due', async () => {
  const clock = new CountingClock();
  const due: string[] = [];
  const schedule: DueSchedule<string> = new DueSchedule(clock, (item) => {
    due.push(item);
    if (item === 'first') schedule.add('follows', clock.monotonicMs() + 5);
  });
  schedule.add('late', 100);
  schedule.add('first', 10);
  await clock.advance(10);
  schedule.add('now', 0);
  await clock.advance(0);
  expect(due).toEqual(['first', 'now']);
  await clock.advance(90);
  expect(due).toEqual(['first', 'now', 'follows', 'late']);
});

it('leaves no timer behind when it is stopped, and says nothing any more', async () => {
  const clock = new CountingClock();
  const due: string[] = [];
  const schedule = new DueSchedule<string>(clock, (item) => due.push(item));
  schedule.add('never', 10);
  await clock.advance(1);
  schedule.stop();
  schedule.add('neither', 5);
  await clock.advance(100);
  expect([due, clock.waiting]).toEqual([[], 0]);
});

it('waits longer than a timer can', async () => {
  const clock = new ManualClock();
  const due: string[] = [];
  new DueSchedule<string>(clock, (item) => due.push(item)).add('next month', 30 * 86_400_000);
  await clock.advance(30 * 86_400_000 - 1);
  expect(due).toEqual([]);
  await clock.advance(1);
  expect(due).toEqual(['next month']);
});
