import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { services } from '../support/services.ts';
import type { RelayOrder } from './capture-under-fault.ts';
import { CaptureUnderFault } from './capture-under-fault.ts';
import type { RelayProcess } from './relay-process.ts';

describe('a relay whose network breaks', () => {
  let capture: CaptureUnderFault;

  beforeEach(async () => {
    capture = await CaptureUnderFault.open('network', services());
  });
  afterEach(async () => {
    await capture.close();
  });

  const underLoad = async (order: RelayOrder = {}): Promise<RelayProcess> => {
    const relay = await capture.startedRelay(order);
    capture.workload().start();
    await capture.moves();
    return relay;
  };

  it.each([
    ['postgres', 'server'],
    ['postgres', 'client'],
    ['kafka', 'server'],
    ['kafka', 'client'],
  ] as const)('loses nothing when the connection to %s is cut in the middle of a message of the %s', async (peer, side) => {
    await underLoad();
    for (let cut = 0; cut < 2; cut += 1) {
      await capture[peer].cutInMidMessage(side);
      await capture.moves();
    }
    await capture[peer].cutInMidMessage(side);
    await capture.verify(`${peer}: cut in mid-message of the ${side}`, await capture.recovery());
  });

  it('gives up a connection to PostgreSQL that carries nothing any more, and loses nothing', async () => {
    // The server, too, learns of it by silence alone, and holds the slot until then.
    const relay = await underLoad({ walSenderTimeout: '3s' });
    capture.postgres.swallow();
    await eventually(async () => stateOf(await relay.health()) !== 'streaming', { timeoutMs: 20_000 });
    expect((await relay.health()).report).toMatchObject({ status: 'degraded', detail: expect.stringContaining('POSTGRES_UNAVAILABLE') });
    capture.postgres.heal();
    await capture.verify('postgres: black hole', await capture.recovery());
  });

  it('waits for a Kafka that swallows everything, and loses nothing', async () => {
    const relay = await underLoad();
    capture.kafka.swallow();
    await eventually(async () => (await relay.health()).report.detail?.startsWith('KAFKA_UNAVAILABLE') === true, { timeoutMs: 30_000 });
    capture.kafka.heal();
    await capture.verify('kafka: black hole', await capture.recovery());
  });

  it('tells no position while answers of Kafka are late', async () => {
    await underLoad();
    capture.kafka.delayAnswers(150);
    await capture.moves();
    capture.kafka.holdAnswers();
    const owed = await capture.database.insert({ aggregateid: 'user-owed' });
    await capture.moreRows(60);
    const { commitLsn } = (await capture.database.commits()).find(({ id }) => id === owed)!;
    expect(capture.witness.highestToldLsn).toBeLessThanOrEqual(commitLsn);
    capture.kafka.heal();
    await capture.verify('kafka: late answers', await capture.recovery());
  });

  it('waits for a server that refuses every connection, and loses nothing', async () => {
    await underLoad();
    capture.kafka.refuse();
    capture.postgres.refuse();
    await capture.database.insert();
    capture.kafka.heal();
    capture.postgres.heal();
    await capture.verify('both refuse', await capture.recovery());
  });
});

function stateOf({ report }: Awaited<ReturnType<RelayProcess['health']>>): unknown {
  return report.facts?.['state'];
}
