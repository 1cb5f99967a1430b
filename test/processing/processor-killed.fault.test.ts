import { setTimeout as after } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LONG } from '../support/long.ts';
import { services } from '../support/services.ts';
import type { ProcessorFailpoint } from './processor-program.ts';
import type { Processor } from './processor-under-fault.ts';
import { ProcessorUnderFault } from './processor-under-fault.ts';

const VISITS = LONG ? [1, 2, 3, 5, 9] : [1, 3];
/** By the first visit alone where there may be no further one. */
const PLACES: Readonly<Record<ProcessorFailpoint, true | 'once'>> = {
  'before-resume': 'once',
  'after-resume': 'once',
  'before-parked-read': true,
  'after-parked-read': true,
  'before-call': true,
  'after-call': true,
  'before-enqueue': true,
  'after-enqueue': true,
  'after-intake': true,
  'before-step-read': true,
  'before-step-write': true,
  'after-step-write': true,
  'after-handler': true,
  'before-park': true,
  'after-park': true,
  'before-settle': true,
  'after-settle': true,
  'before-dead-letter': true,
  'after-dead-letter': true,
  'before-commit': true,
  'after-commit': true,
};
const DEATHS = (Object.keys(PLACES) as ProcessorFailpoint[]).flatMap((at) =>
  (PLACES[at] === 'once' ? [1] : VISITS).map((onVisit) => ({ at, onVisit })),
);

/** Several at the same time: most of each is waiting for the session of the one that died to end. */
describe.concurrent('a processor that is killed', () => {
  it.each(DEATHS)('at $at, visit $onVisit, loses nothing and doubles nothing', async ({ at, onVisit }) => {
    const fault = await ProcessorUnderFault.open('killed', services());
    try {
      await fault.order(240);
      const doomed = fault.processor({ failpoint: { at, onVisit, then: 'die' } });
      // So that there is always something to commit. Any other end, or none, says that the place was never reached.
      fault.feed();
      expect(await doomed.ended).toBe('SIGKILL');
      await fault.stopFeeding();
      const begun = performance.now();
      await fault.startedProcessor();
      await fault.order(24);
      await fault.recovery();
      await fault.verify(`killed at ${at}, visit ${onVisit}`, performance.now() - begun);
    } finally {
      await fault.close();
    }
  });
});

/** What befalls the one that works at the record, and what it does once another has come to the end of its partition. */
const INTERRUPTIONS: readonly {
  readonly how: string;
  readonly befalls: (processor: Processor) => Promise<unknown>;
  readonly goesOn?: (processor: Processor) => void;
}[] = [
  { how: 'is killed', befalls: (processor) => processor.kill() },
  {
    how: 'is frozen, and goes on when another has done it',
    befalls: async (processor) => processor.signal('SIGSTOP'),
    goesOn: (processor) => {
      processor.signal('SIGCONT');
      processor.tell({ order: 'release' });
    },
  },
  {
    how: 'leaves',
    befalls: async (processor) => {
      processor.tell({ order: 'stop' });
      await processor.ended;
    },
  },
];

/** At the one place where an offset too much loses something: all else is done, so that the record is the next one to be read. */
describe.concurrent('a record that is worked at when everything before it is committed', () => {
  it.each(INTERRUPTIONS)('has its effect, once, when its processor $how', async ({ how, befalls, goesOn }) => {
    const fault = await ProcessorUnderFault.open('worked', services());
    try {
      const orders = await fault.order(120);
      const held = orders.filter(({ kind }) => kind === 'plain')[60]!;
      const processor = await fault.startedProcessor({ holds: held.id });
      await processor.next('held');
      await fault.allBut(held);
      const begun = performance.now();
      await befalls(processor);
      await fault.startedProcessor();
      await fault.order(24);
      await fault.recovery();
      const recoveredMs = performance.now() - begun;
      goesOn?.(processor);
      fault.feed();
      await fault.moves();
      await fault.verify(`worked at a record, and ${how}`, recoveredMs);
    } finally {
      await fault.close();
    }
  });
});

describe('a processor', () => {
  let fault: ProcessorUnderFault;
  beforeEach(async () => {
    fault = await ProcessorUnderFault.open('members', services());
  });
  afterEach(async () => {
    await fault.close();
  });

  it('that is frozen in the middle of its step, for longer than its session, changes nothing when it goes on', async () => {
    const frozen = await fault.startedProcessor({ failpoint: { at: 'before-step-write', onVisit: 4, then: 'hold' } });
    fault.feed();
    await frozen.next('held');
    frozen.signal('SIGSTOP');
    const begun = performance.now();
    await fault.startedProcessor();
    await fault.moves();
    await fault.stopFeeding();
    await fault.recovery();
    const recoveredMs = performance.now() - begun;
    fault.feed();
    frozen.signal('SIGCONT');
    frozen.tell({ order: 'release' });
    await fault.moves(60);
    await fault.verify('frozen for longer than its session', recoveredMs);
  });

  it('keeps its partitions while one handler takes twice as long as its session, and the others go on', async () => {
    const held = (await fault.order(60)).filter(({ kind }) => kind === 'plain')[20]!;
    const slow = await fault.startedProcessor({ holds: held.id });
    await slow.next('held');
    fault.feed();
    const until = performance.now() + 12_000;
    while (performance.now() < until) {
      expect(await fault.members()).toBe(1);
      await fault.moves();
    }
    slow.tell({ order: 'release' });
    await fault.moves();
    expect((await fault.verify('a handler took longer than the session', 0)).repeated).toBe(0);
  });

  it('that stops under load lets what runs finish, commits and leaves within its time, so that the next one handles nothing again', async () => {
    const first = await fault.startedProcessor();
    fault.feed();
    await fault.moves(60);
    const begun = performance.now();
    first.tell({ order: 'stop' });
    await first.ended;
    const stoppedMs = performance.now() - begun;
    expect(stoppedMs).toBeLessThan(10_000);
    // A session that had to run out would keep the next one waiting.
    expect(await fault.members()).toBe(0);
    await fault.startedProcessor();
    await fault.moves(60);
    expect((await fault.verify('stopped under load', stoppedMs)).repeated).toBe(0);
  });

  it('shares its work with others that come, and takes it over when they go, and has no effect twice', async () => {
    const first = await fault.startedProcessor();
    fault.feed();
    await fault.moves();
    const others = [await fault.startedProcessor(), await fault.startedProcessor()];
    await fault.moves(60);
    for (const other of others) {
      other.tell({ order: 'stop' });
      await other.next('left');
      await fault.moves(30);
    }
    await fault.verify('members come and go', 0);
    expect(first.isOver).toBe(false);
  });

  it('gets on while another member joins and leaves every two seconds', async () => {
    await fault.startedProcessor();
    const restless = await fault.startedProcessor();
    fault.feed();
    await fault.moves();
    const until = performance.now() + 60_000;
    let changes = 0;
    while (performance.now() < until) {
      const turn = performance.now();
      const before = await fault.deposits();
      await restless.ask({ order: 'leave' }, 'left');
      await restless.ask({ order: 'join' }, 'joined');
      changes += 2;
      await fault.moves(Math.max(1, 10 - ((await fault.deposits()) - before)));
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, 4_000 - (performance.now() - turn))));
    }
    await fault.verify(`${changes} times a member came or went`, 0);
  });

  it.each(['clock-back', 'clock-forward'] as const)(
    'stays in its group while it has nothing to do, its clock an hour off (%s)',
    async (order) => {
      const processor = await fault.startedProcessor();
      fault.feed();
      await fault.moves();
      await fault.quiet();
      processor.tell({ order });
      // Twice as long as its session lives without a word from it; a commit would be one.
      const until = performance.now() + 12_000;
      while (performance.now() < until) {
        expect(await fault.members()).toBe(1);
        await after(200);
      }
      fault.feed();
      await fault.moves();
      await fault.stopFeeding();
      const recoveredMs = await fault.recovery();
      expect((await fault.verify(`${order} by an hour`, recoveredMs)).repeated).toBe(0);
    },
  );

  it('has one effect of each order that comes a thousand times, and of old ones that come again after new ones', async () => {
    await fault.startedProcessor();
    const orders = await fault.order(60);
    await fault.recovery();
    const begun = performance.now();
    const thousand = orders.slice(0, 5).flatMap((order) => Array.from({ length: 1_000 }, () => order));
    for (let at = 0; at < thousand.length; at += 500) await fault.send(thousand.slice(at, at + 500));
    await fault.send([...orders].reverse());
    await fault.order(24);
    await fault.send([...orders].reverse());
    await fault.recovery();
    await fault.verify('five orders a thousand times, and all of them backwards', performance.now() - begun);
  });
});
