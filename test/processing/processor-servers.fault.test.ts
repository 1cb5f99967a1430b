import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { OwnServers } from '../support/own-servers.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';
import type { Processor } from './processor-under-fault.ts';
import { ProcessorUnderFault } from './processor-under-fault.ts';

describe('a processor whose servers die', () => {
  let servers: OwnServers;
  let fault: ProcessorUnderFault;

  beforeAll(async () => {
    servers = await OwnServers.start(['postgres', 'kafka', 'registry']);
  }, 180_000);
  afterAll(async () => {
    await servers.remove();
  }, 60_000);
  beforeEach(async () => {
    fault = await ProcessorUnderFault.open('servers', servers.endpoints);
  }, 120_000);
  afterEach(async () => {
    if (await servers.isRunning('postgres')) await servers.thaw('postgres');
    for (const part of ['postgres', 'kafka', 'registry'] as const) await servers.up(part);
    await fault.reconnect();
    await fault.close();
  }, 180_000);

  const underLoad = async () => {
    const processor = await fault.startedProcessor();
    fault.feed();
    await fault.moves();
    return processor;
  };

  const breakerOpens = (processor: Processor): Promise<unknown> =>
    eventually(
      async () => {
        const { report } = await processor.ask({ order: 'look' }, 'seen');
        expect(report).toMatchObject({ status: 'degraded', facts: { breaker_postgres: expect.stringMatching(/open/) as string } });
      },
      { timeoutMs: 30_000 },
    );

  /** Resolves once some more records have tried, each until its own deadline. */
  const triesInVain = async (processor: Processor, times = 2): Promise<void> => {
    const tried = (): number => processor.heard.filter(({ is }) => is === 'handling').length;
    const before = tried();
    await eventually(() => tried() > before + times, { timeoutMs: 60_000 });
  };

  it('loses nothing when Kafka is stopped and started', async () => {
    await underLoad();
    await servers.stop('kafka');
    await servers.up('kafka');
    await fault.verify('kafka: restarted', await fault.recovery());
  });

  it('loses nothing when Kafka is killed', async () => {
    await underLoad();
    await servers.kill('kafka');
    await eventually(async () => !(await servers.isRunning('kafka')));
    await servers.up('kafka');
    await fault.verify('kafka: killed', await fault.recovery());
  });

  it('waits for PostgreSQL, killed, without a dead letter or a lost attempt', async () => {
    const processor = await underLoad();
    await servers.kill('postgres');
    await breakerOpens(processor);
    await eventually(async () => !(await servers.isRunning('postgres')));
    await servers.up('postgres');
    await fault.reconnect();
    const recovery = await fault.recovery();
    await fault.moves();
    await fault.verify('postgres: killed', recovery);
    expect((await processor.ask({ order: 'look' }, 'seen')).report.status).toBe('ok');
  });

  it('waits for a PostgreSQL that hangs, finds out by its own deadlines, and what the server does late doubles nothing', async () => {
    const processor = await underLoad();
    await servers.freeze('postgres');
    try {
      await breakerOpens(processor);
      const letters = await fault.lettersWritten();
      await fault.order(120);
      await triesInVain(processor);
      expect(await fault.lettersWritten()).toBe(letters);
    } finally {
      await servers.thaw('postgres');
    }
    const recovery = await fault.recovery();
    await fault.moves();
    expect((await fault.verify('postgres: hung', recovery)).attempts).toEqual(['1']);
  });

  it('waits for a PostgreSQL behind a black hole, without a dead letter or a lost attempt', async () => {
    const proxy = await tcpProxy(new URL(fault.databaseUrl));
    try {
      const processor = await fault.startedProcessor({ databaseUrl: proxy.url });
      fault.feed();
      await fault.moves();
      proxy.blackhole();
      await breakerOpens(processor);
      const letters = await fault.lettersWritten();
      await fault.order(120);
      await triesInVain(processor);
      expect(await fault.lettersWritten()).toBe(letters);
      proxy.heal();
      const recovery = await fault.recovery();
      await fault.moves();
      expect((await fault.verify('postgres: black hole', recovery)).attempts).toEqual(['1']);
      expect((await processor.ask({ order: 'look' }, 'seen')).report.status).toBe('ok');
    } finally {
      await fault.stopFeeding();
      await proxy.close();
    }
  });

  it('waits for the registry when it has to ask it, and goes on without it when it need not', async () => {
    const knowing = await underLoad();
    await servers.stop('registry');
    await fault.moves();
    knowing.tell({ order: 'stop' });
    await knowing.ended;
    // It begins to know nothing.
    const asking = await fault.startedProcessor();
    await eventually(
      async () => {
        const { report } = await asking.ask({ order: 'look' }, 'seen');
        expect(report.detail).toContain('REGISTRY_UNAVAILABLE');
      },
      { timeoutMs: 30_000 },
    );
    await servers.up('registry');
    await fault.verify('registry: away', await fault.recovery());
  });

  it('waits with the partition of a dead letter that cannot be written, and with no other', async () => {
    const processor = await fault.startedProcessor();
    await fault.order(12);
    await fault.recovery();
    await fault.admin.deleteTopics([fault.letters]);
    const poisoned = (await fault.order(120)).filter(({ kind }) => kind === 'poison');
    expect(poisoned.length).toBeGreaterThan(0);
    await eventually(
      async () => {
        const { report } = await processor.ask({ order: 'look' }, 'seen');
        expect(report.facts?.['unburied']).toBe(poisoned.length);
      },
      { timeoutMs: 60_000 },
    );
    await fault.order(60);
    await fault.moves(40);
    await fault.ensureTopics([fault.letters]);
    await fault.verify('dead-letter topic: away', await fault.recovery());
  });

  it('reads everything again when its group is deleted, and does nothing again', async () => {
    const first = await underLoad();
    await fault.quiet();
    const deposits = await fault.deposits();
    first.tell({ order: 'stop' });
    await first.ended;
    await eventually(() => fault.admin.deleteGroups([fault.group]).then(() => true), { timeoutMs: 30_000 });
    const second = await fault.startedProcessor();
    await fault.recovery();
    expect(await fault.deposits()).toBe(deposits);
    expect((await second.ask({ order: 'look' }, 'seen')).books.skipped).toBeGreaterThan(0);
    fault.feed();
    await fault.moves();
    await fault.verify('group: deleted', 0);
  });
});
