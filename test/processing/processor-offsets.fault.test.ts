import kafkajs from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { services } from '../support/services.ts';
import type { Processor } from './processor-under-fault.ts';
import { ProcessorUnderFault } from './processor-under-fault.ts';

/** What an operator does with Kafka's own tools while no member of the group runs. */
describe('a processor whose offsets were set by somebody else', () => {
  let fault: ProcessorUnderFault;
  let kafka: kafkajs.Admin;

  beforeEach(async () => {
    fault = await ProcessorUnderFault.open('offsets', services());
    kafka = new kafkajs.Kafka({ brokers: services().kafkaBrokers.split(','), logLevel: kafkajs.logLevel.NOTHING }).admin();
    await kafka.connect();
  });
  afterEach(async () => {
    await kafka.disconnect();
    await fault.close();
  });

  const worked = async (): Promise<void> => {
    const first = await fault.startedProcessor();
    await fault.order(60);
    await fault.quiet();
    await leave(first);
  };
  const leave = async (processor: Processor): Promise<void> => {
    processor.tell({ order: 'stop' });
    await processor.ended;
  };
  const reset = async (to: 'earliest' | 'latest'): Promise<void> => {
    const found = await kafka.fetchTopicOffsets(fault.topic);
    const partitions = found.map(({ partition, low, high }) => ({ partition, offset: to === 'earliest' ? low : high }));
    // Not while a member is still known to the group.
    await eventually(() => kafka.setOffsets({ groupId: fault.group, topic: fault.topic, partitions }).then(() => true), {
      timeoutMs: 30_000,
    });
  };

  it('back to the earliest handles everything again, and does nothing again', async () => {
    await worked();
    const deposits = await fault.deposits();
    await reset('earliest');
    const second = await fault.startedProcessor();
    await fault.recovery();
    expect(await fault.deposits()).toBe(deposits);
    const { books, foreignOffsets } = await second.ask({ order: 'look' }, 'seen');
    expect(books.skipped).toBeGreaterThan(0);
    expect(foreignOffsets).toBe(3);
    fault.feed();
    await fault.moves();
    await fault.verify('offsets: set to the earliest', 0);
  });

  it('not at all, but by members of its own, says nothing', async () => {
    await worked();
    const second = await fault.startedProcessor();
    await fault.order(24);
    await fault.recovery();
    expect((await second.ask({ order: 'look' }, 'seen')).foreignOffsets).toBe(0);
    await fault.verify('offsets: its own', 0);
  });

  it('forward to the latest goes on from there, and says that these offsets are not its own', async () => {
    await worked();
    const skipped = await fault.order(36);
    await reset('latest');
    const second = await fault.startedProcessor();
    await eventually(async () => expect((await second.ask({ order: 'look' }, 'seen')).foreignOffsets).toBe(3));
    fault.feed();
    await fault.moves();
    await fault.verify('offsets: set to the latest', 0, skipped);
  });
});
