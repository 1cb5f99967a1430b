import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dropSlot } from '../../connectors/replication/slot.ts';
import { eventually } from '../support/eventually.ts';
import { services } from '../support/services.ts';
import { systemClock } from '../support/system-clock.ts';
import { CaptureUnderFault } from './capture-under-fault.ts';
import type { RelayProcess } from './relay-process.ts';

/** As several domains in one process: a relay for each source, one producer for all. */
describe('two relays in one process', () => {
  let first: CaptureUnderFault;
  let second: CaptureUnderFault;

  beforeEach(async () => {
    first = await CaptureUnderFault.open('first', services());
    second = await CaptureUnderFault.open('second', services(), {}, first);
  });
  afterEach(async () => {
    await second.close();
    await first.close();
  });

  const started = (): Promise<RelayProcess> => first.startedRelay({ beside: [second.source()] });
  const underLoad = async (): Promise<RelayProcess> => {
    const process = await started();
    for (const capture of [first, second]) capture.workload().start();
    await Promise.all([first.moves(), second.moves()]);
    return process;
  };
  const statesOf = async (process: RelayProcess): Promise<unknown[]> => {
    const { report, beside } = await process.health();
    return [report, ...beside].map(({ facts }) => facts?.['state']);
  };

  it('lose nothing, neither of them, when the process is killed', async () => {
    const process = await underLoad();
    await process.kill();
    await Promise.all([first.moreRows(20), second.moreRows(20)]);
    await started();
    const recoveries = await Promise.all([first.recovery(), second.recovery()]);
    await first.verify('the process of two relays killed: the first', recoveries[0]);
    await second.verify('the process of two relays killed: the second', recoveries[1]);
  });

  it('do not stop each other: one stands in its gap, and the other goes on, also through an outage of Kafka', async () => {
    const process = await underLoad();
    await dropSlot(first.database.sql, first.database.names.slot('image'), systemClock);
    expect(await first.gapOf(process)).toBe('SLOT_MISSING');
    await second.moves();
    first.kafka.refuse();
    await Promise.all([first.moreRows(20), second.moreRows(20)]);
    first.kafka.heal();
    const recovery = await second.recovery();
    await second.moves();
    expect(await statesOf(process)).toEqual(['gap', 'streaming']);
    await second.verify('Kafka away, beside a relay in its gap', recovery);
    await first.verifyStandstill('slot dropped, beside a relay that goes on', 'known');
  });

  it('do not stop each other: the PostgreSQL of one is a black hole, and the other goes on', async () => {
    await underLoad();
    second.postgres.swallow();
    await second.moreRows(20);
    await first.moves(60);
    second.postgres.heal();
    await second.verify('postgres: black hole of one of two', await second.recovery());
    await first.verify('postgres: black hole of the neighbour', await first.recovery());
  });

  it('end together, each with its last position told', async () => {
    const process = await underLoad();
    await Promise.all([first.published(), second.published()]);
    await process.stop();
    for (const capture of [first, second]) {
      await eventually(async () => (await capture.confirmedLsn()) === capture.witness.highestToldLsn);
    }
    await started();
    await first.verify('two relays stopped and started: the first', await first.recovery());
    await second.verify('two relays stopped and started: the second', await second.recovery());
  });
});
