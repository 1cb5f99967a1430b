import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LogReader } from '../../core/log-reader.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { offset } from '../../core/offset.ts';
import { utf8 } from '../../core/record.ts';
import { BrokerUnderTest, RecordingLogger } from '../../test/conformance/broker-under-test.ts';
import { BreakableNetwork } from '../../test/support/breakable-network.ts';
import { eventHeaders } from '../../test/support/consumed-record.ts';
import { CountingMetrics } from '../../test/support/counting-metrics.ts';
import { eventually } from '../../test/support/eventually.ts';
import { ACKED, JSON_DECODER } from '../../test/support/group-under-test.ts';
import { InMemoryParkedRecords } from '../../test/support/in-memory-parked-records.ts';
import { services, uniqueNamespace } from '../../test/support/services.ts';
import { createKafkaJsDriver } from '../kafka/kafkajs-driver.ts';
import { systemClock } from '../telemetry/system-clock.ts';
import type { ConsumerGroup } from './consumer-group.ts';
import { createConsumerGroup } from './consumer-group.ts';

describe('a group on a real broker', () => {
  let network: BreakableNetwork;
  let broker: BrokerUnderTest;
  let reader: LogReader;
  let metrics: CountingMetrics;
  let handled: number[];
  const running: ConsumerGroup[] = [];

  beforeEach(async () => {
    network = await new BreakableNetwork().open();
    broker = new BrokerUnderTest(
      createKafkaJsDriver({ brokers: services().kafkaBrokers.split(','), clientId: 'beside', logger: new RecordingLogger() }),
      uniqueNamespace('stall'),
    );
    await broker.producer.start();
    reader = broker.driver.logReader();
    metrics = new CountingMetrics();
    handled = [];
  });

  afterEach(async () => {
    network.become('open');
    await Promise.all(running.splice(0).map((group) => group.stop(AbortSignal.abort())));
    await reader.stop();
    await broker.close();
    await network.close();
  });

  /** Its consumer is behind the network that breaks; its watch looks from beside. */
  async function startGroup(topic: string, group = broker.group()): Promise<ConsumerGroup> {
    const { admin } = broker;
    const made = createConsumerGroup({
      group,
      service: 'test',
      topics: [topic],
      broker: createKafkaJsDriver({
        brokers: services().kafkaBrokers.split(','),
        clientId: 'shaky',
        logger: SILENT_LOGGER,
        socketFactory: network.socketFactory,
        // The client itself would take this long to notice.
        requestTimeoutMs: 120_000,
      }),
      producer: broker.producer,
      decoder: JSON_DECODER,
      handler: async (_event, { offset: at }) => {
        handled.push(Number(at));
        return ACKED;
      },
      wanted: new Set(['Happened']),
      known: new Set(['Happened']),
      deadLetterTopicOf: (name) => `${name}.dlt`,
      retryPolicy: { delaysMs: [200], jitter: 0 },
      handlerTimeoutMs: 10_000,
      sessionTimeoutMs: 6_000,
      rebalanceTimeoutMs: 8_000,
      metrics,
      logger: SILENT_LOGGER,
      clock: systemClock,
      random: Math.random,
      parked: new InMemoryParkedRecords(systemClock),
      lookout: {
        offsets: (topics) => admin.offsets(topics),
        committed: (name, topics) => admin.committed(name, topics),
        read: (partition, from) => reader.read(partition, from),
      },
      stall: { reportMs: 1_000, recreateMs: 2_000, endMs: 60_000 },
      onFatal: (error) => expect.fail(error.message),
    });
    running.push(made);
    await made.start(new AbortController().signal);
    return made;
  }

  async function send(topic: string, count: number): Promise<void> {
    await broker.producer.send(
      Array.from({ length: count }, (_, index) => ({
        topic,
        key: utf8(`k${index}`),
        value: utf8(JSON.stringify({ n: index })),
        headers: eventHeaders({
          id: `00000000-0000-4000-8000-${Math.floor(Math.random() * 2 ** 48)
            .toString(16)
            .padStart(12, '0')}`,
          type: 'Happened',
          streamId: `k${index}`,
        }),
      })),
    );
  }

  it('gets another consumer when its own has stopped to fetch without a word, and goes on where it was', async () => {
    const topic = await broker.topic();
    await send(topic, 3);
    const name = broker.group();
    const group = await startGroup(topic, name);
    const committed = async (): Promise<bigint | undefined> => (await broker.admin.committed(name, [topic]))[0]?.offset;
    await eventually(async () => (await committed()) === 3n, { timeoutMs: 30_000 });
    network.strandLinks();
    await send(topic, 2);
    await eventually(() => metrics.total('millrace_consumers_recreated_total') === 1, { timeoutMs: 30_000 });
    await eventually(() => handled.length === 5, { timeoutMs: 60_000 });
    expect(handled).toEqual([0, 1, 2, 3, 4]);
    await eventually(async () => (await committed()) === 5n, { timeoutMs: 10_000 });
    await eventually(() => expect(group.health()).toMatchObject([{ status: 'ok', facts: { stalled_partitions: 0 } }]), {
      timeoutMs: 10_000,
    });
    expect(metrics.total('millrace_consumers_recreated_total')).toBe(1);
  }, 120_000);

  it('says what it has lost when the log was faster than it, and goes on from the earliest record', async () => {
    const topic = await broker.topic();
    const name = broker.group();
    await send(topic, 3);
    const before = await startGroup(topic, name);
    await eventually(async () => (await broker.admin.committed(name, [topic]))[0]?.offset === 3n, { timeoutMs: 30_000 });
    await before.stop(AbortSignal.abort());
    await send(topic, 5);
    await broker.admin.deleteRecords([{ topic, partition: 0, offset: offset(7n) }]);
    handled.length = 0;
    await startGroup(topic, name);
    await eventually(() => handled.length === 1, { timeoutMs: 30_000 });
    expect(handled).toEqual([7]);
    expect(metrics.total('millrace_records_lost_total')).toBe(4);
    expect(metrics.labels('millrace_offset_resets_total')).toEqual([
      { group: name, topic, reason: 'nothing-committed' },
      { group: name, topic, reason: 'records-gone' },
    ]);
    await eventually(async () => (await broker.admin.committed(name, [topic]))[0]?.offset === 8n, { timeoutMs: 10_000 });
  });
});
