import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { offset } from '../../core/offset.ts';
import { utf8Text } from '../../core/record.ts';
import { BrokerUnderTest, RecordingLogger, record } from '../../test/conformance/broker-under-test.ts';
import { BreakableNetwork } from '../../test/support/breakable-network.ts';
import { eventually } from '../../test/support/eventually.ts';
import { services, uniqueNamespace } from '../../test/support/services.ts';
import { createKafkaJsDriver } from './kafkajs-driver.ts';

describe('the kafkajs driver on a network that breaks', () => {
  let network: BreakableNetwork;
  /** Behind the network that breaks, and beside it. */
  let shaky: BrokerUnderTest;
  let steady: BrokerUnderTest;
  let logger: RecordingLogger;

  beforeEach(async () => {
    network = await new BreakableNetwork().open();
    logger = new RecordingLogger();
    const options = { brokers: services().kafkaBrokers.split(','), clientId: 'fault', logger };
    const namespace = uniqueNamespace('fault');
    const { socketFactory } = network;
    shaky = new BrokerUnderTest(
      createKafkaJsDriver({ ...options, socketFactory, requestTimeoutMs: 2_000, connectionTimeoutMs: 500 }),
      `${namespace}.s`,
    );
    steady = new BrokerUnderTest(createKafkaJsDriver(options), namespace);
  });

  afterEach(async () => {
    network.become('open');
    await shaky.stopReaders();
    await steady.close();
    await shaky.close();
    await network.close();
  });

  it('lets a process start without brokers, and sends as soon as they are there', async () => {
    const topic = await steady.topic();
    network.become('cut');
    await shaky.producer.start();
    await expect(shaky.send(topic, ['0'])).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    await expect(shaky.admin.listTopics()).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    network.become('open');
    await shaky.send(topic, ['1']);
    expect(await shaky.admin.listTopics()).toContain(topic);
    const reader = await steady.reader({ group: steady.group(), topics: [topic] }).start();
    await reader.untilRead(1);
    expect(reader.values).toEqual(['1']);
  });

  it('gives up a send that nobody answers', async () => {
    const topic = await steady.topic();
    await shaky.send(topic, ['0']);
    network.become('stalled');
    const begun = performance.now();
    await expect(shaky.send(topic, ['1'])).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    expect(performance.now() - begun).toBeLessThan(25_000);
  });

  it('keeps every record that it acknowledged, in order, when acknowledgements of others get lost', async () => {
    const topic = await steady.topic();
    const acknowledged: string[] = [];
    for (let batch = 0; batch < 12; batch += 1) {
      // Batches of one size: a producer that used its sequence numbers again would have the next ones taken for repetitions.
      const values = Array.from({ length: 5 }, (_, index) => `${batch}.${index}`);
      const sending = shaky.send(topic, values).then(
        () => true,
        () => false,
      );
      if (batch % 3 === 1) {
        network.become('deaf');
        await eventually(async () => Number((await steady.admin.offsets([topic]))[0]!.end) > acknowledged.length, { timeoutMs: 10_000 });
        network.become('cut');
        expect(await sending).toBe(false);
        network.become('open');
      } else {
        expect(await sending).toBe(true);
        acknowledged.push(...values);
      }
    }
    const reader = await steady.reader({ group: steady.group(), topics: [topic] }).start();
    await reader.untilRead(Number((await steady.admin.offsets([topic]))[0]!.end));
    const read = new Set(reader.values);
    expect([...read].filter((value) => acknowledged.includes(value!))).toEqual(acknowledged);
    // The others were appended: only their acknowledgements got lost.
    expect(read.size).toBeGreaterThan(acknowledged.length);
  });

  it('joins the group when the brokers come back, and goes on after an outage where it had committed', async () => {
    const topic = await steady.topic(2);
    const group = shaky.group();
    network.become('cut');
    const reader = shaky.reader({ group, topics: [topic] });
    const started = reader.start();
    await steady.send(topic, ['0']);
    network.become('open');
    await started;
    await reader.untilRead(1);
    const [first] = reader.records;
    expect(await reader.consumer.commit([{ topic, partition: first!.partition, offset: offset(1n) }])).toBe(true);

    network.become('cut');
    await steady.send(topic, ['1']);
    await eventually(() => reader.lost.length > 0, { timeoutMs: 30_000 });
    expect(await reader.consumer.commit([{ topic, partition: first!.partition, offset: offset(1n) }])).toBe(false);
    network.become('open');
    await reader.untilRead(2, 30_000);
    expect(reader.values).toEqual(['0', '1']);
    expect(reader.fatal).toEqual([]);
    expect(await reader.consumer.commit([{ topic, partition: first!.partition, offset: offset(2n) }])).toBe(true);
  });

  it('changes nothing as a zombie: a member whose session ended learns that its partition is gone', async () => {
    const topic = await steady.topic();
    const group = shaky.group();
    await steady.send(topic, ['0', '1']);
    const zombie = await shaky.reader({ group, topics: [topic], sessionTimeoutMs: 6_000 }).start();
    await zombie.untilRead(2);
    network.become('stalled');
    const heir = await steady.reader({ group, topics: [topic], sessionTimeoutMs: 6_000 }).start();
    await heir.untilRead(2, 30_000);
    expect(await heir.consumer.commit([{ topic, partition: 0, offset: offset(1n) }])).toBe(true);
    network.become('open');
    const late = await zombie.consumer.commit([{ topic, partition: 0, offset: offset(2n) }]).catch((error: unknown) => error);
    expect(late === true).toBe(false);
    await eventually(() => zombie.lost.length > 0 || zombie.revocations > 0, { timeoutMs: 20_000 });
    expect(await steady.admin.committed(group, [topic])).toEqual([{ topic, partition: 0, offset: 1n }]);
  });

  it('stops while the brokers are away, before and after it has joined', async () => {
    const topic = await steady.topic();
    const joined = await shaky.reader({ group: shaky.group(), topics: [topic], sessionTimeoutMs: 6_000 }).start();
    network.become('cut');
    const waiting = shaky.reader({ group: shaky.group(), topics: [topic] });
    const started = waiting.start();
    const begun = performance.now();
    await Promise.all([joined.consumer.stop(), waiting.consumer.stop(), shaky.producer.stop()]);
    await started;
    expect(performance.now() - begun).toBeLessThan(6_000);
  });
});

describe('the kafkajs driver beside others', () => {
  let broker: BrokerUnderTest;
  let logger: RecordingLogger;

  beforeEach(() => {
    logger = new RecordingLogger();
    const options = { brokers: services().kafkaBrokers.split(','), clientId: 'beside', logger, metadataMaxAgeMs: 1_000 };
    broker = new BrokerUnderTest(createKafkaJsDriver(options), uniqueNamespace('beside'));
  });
  afterEach(async () => {
    await broker.close();
  });

  it('waits for a topic that is about to be made', async () => {
    const declaration = broker.declaration();
    const reader = broker.reader({ group: broker.group(), topics: [declaration.topic] });
    const started = reader.start();
    await broker.admin.ensureTopics([declaration]);
    await started;
    await broker.send(declaration.topic, ['0']);
    await reader.untilRead(1);
  });

  it('gives a topic to the members that read it, while others of the group do not yet', async () => {
    const [known, added] = [await broker.topic(2), await broker.topic(2)];
    const group = broker.group();
    const old = await broker.reader({ group, topics: [known] }).start();
    const young = await broker.reader({ group, topics: [known, added] }).start();
    await eventually(() => old.assigned.length + young.assigned.length === 4);
    expect(young.assigned.filter(({ topic }) => topic === added)).toHaveLength(2);
    await broker.send(added, ['0']);
    await young.untilRead(1);
    expect(young.records.map(({ value }) => utf8Text(value!))).toEqual(['0']);
  });

  it('reads new partitions without a restart', async () => {
    const declaration = broker.declaration(1);
    await broker.admin.ensureTopics([declaration]);
    const reader = await broker.reader({ group: broker.group(), topics: [declaration.topic] }).start();
    await broker.admin.ensureTopics([{ ...declaration, partitions: 2 }]);
    await broker.producer.send([{ ...record(declaration.topic, 'k', 'x'), partition: 1 }]);
    await reader.untilRead(1);
  });

  it.each(['earliest', 'latest'] as const)('goes back to the first record, loudly, when retention took its position (%s)', async (from) => {
    const topic = await broker.topic(1, { config: { 'segment.ms': '60000' } });
    const group = broker.group();
    await broker.send(topic, ['0', '1', '2', '3']);
    const first = await broker.reader({ group, topics: [topic] }).start();
    await first.untilRead(4);
    await first.consumer.commit([{ topic, partition: 0, offset: offset(1n) }]);
    await first.consumer.stop();
    await deleteBefore(topic, 3n);
    const second = await broker.reader({ group, topics: [topic], from }).start();
    await second.untilRead(1);
    expect(second.values).toEqual(['3']);
    expect(logger.errors.some((message) => message.includes('Offset out of range'))).toBe(true);
  });
});

async function deleteBefore(topic: string, first: bigint): Promise<void> {
  const { Kafka, logLevel } = await import('kafkajs');
  const admin = new Kafka({ brokers: services().kafkaBrokers.split(','), logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  // Makes the client know the topic: it deletes records of known topics only.
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: first.toString() }] });
  await admin.disconnect();
}
