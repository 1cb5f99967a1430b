import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BrokerDriver } from '../../core/broker.ts';
import type { LogReader } from '../../core/log-reader.ts';
import { offset } from '../../core/offset.ts';
import { utf8Text, type ConsumedRecord } from '../../core/record.ts';
import { createInMemoryBroker } from '../../runtime/kafka/in-memory-broker.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { eventually } from '../support/eventually.ts';
import { services, uniqueNamespace } from '../support/services.ts';
import { BrokerUnderTest, KEEPS_OLD_RECORDS, RecordingLogger, record } from './broker-under-test.ts';

const logger = new RecordingLogger();
const ADAPTERS: readonly (readonly [string, () => BrokerDriver])[] = [
  ['in memory', () => createInMemoryBroker({ logger })],
  ['kafkajs', () => createKafkaJsDriver({ brokers: services().kafkaBrokers.split(','), clientId: 'conformance', logger })],
];

describe.each(ADAPTERS)('a log reader %s', (_name, createDriver) => {
  let broker: BrokerUnderTest;
  let reader: LogReader;

  beforeAll(async () => {
    const driver = createDriver();
    broker = new BrokerUnderTest(driver, uniqueNamespace('reader'));
    reader = driver.logReader();
    await broker.producer.start();
  });
  afterAll(async () => {
    await reader.stop();
    await broker.close();
  });

  async function readAll(topic: string, partition: number): Promise<ConsumedRecord[]> {
    const records: ConsumedRecord[] = [];
    for (let from = offset(0n); ;) {
      const slice = await reader.read({ topic, partition }, from);
      records.push(...slice.records);
      from = slice.next;
      if (from >= slice.end) return records;
    }
  }

  it('says where each partition begins and ends, and how long a record is kept', async () => {
    const topic = await broker.topic(2);
    await broker.producer.send([0, 1, 2].map((index) => ({ ...record(topic, 'k', `${index}`), partition: 1 })));
    const { topics, clusterId } = await reader.describe([topic, `${topic}-unknown`]);
    expect(clusterId).not.toBe('');
    expect(topics).toMatchObject([{ topic, retentionMs: 3_600_000, removesYoung: false }]);
    expect(topics[0]!.partitions).toEqual([
      { topic, partition: 0, earliest: 0n, end: 0n },
      { topic, partition: 1, earliest: 0n, end: 3n },
    ]);
  });

  it('gives a topic the same id every time, and another one after it was deleted and made again', async () => {
    const declaration = broker.declaration();
    await broker.admin.ensureTopics([declaration]);
    const id = async () => (await reader.describe([declaration.topic])).topics[0]?.id;
    const first = await id();
    expect(first).toMatch(/./);
    expect(await id()).toBe(first);
    await broker.admin.deleteTopics([declaration.topic]);
    await eventually(async () => (await id()) === undefined);
    await broker.admin.ensureTopics([declaration]);
    await eventually(async () => (await id()) !== undefined);
    expect(await id()).not.toBe(first);
  });

  it('reads every record of a partition, with key, value, headers and timestamp', async () => {
    const topic = await broker.topic(1, KEEPS_OLD_RECORDS);
    const sent = Array.from({ length: 1200 }, (_, index) => ({
      ...record(topic, 'k', `${index}`),
      timestampMs: 1_700_000_000_000 + index,
    }));
    await broker.producer.send(sent);
    const read = await readAll(topic, 0);
    expect(read.map(({ value }) => utf8Text(value!))).toEqual(sent.map((_, index) => `${index}`));
    expect(read.at(-1)).toMatchObject({ topic, partition: 0, offset: 1199n, timestampMs: 1_700_000_001_199 });
    expect((await reader.read({ topic, partition: 0 }, offset(1000n))).records[0]?.offset).toBe(1000n);
    expect(await reader.read({ topic, partition: 0 }, offset(1200n))).toEqual({ records: [], next: 1200n, end: 1200n });
  });

  it('finds the first record of a time', async () => {
    const topic = await broker.topic(1, KEEPS_OLD_RECORDS);
    await broker.producer.send([10, 20, 30].map((ms) => ({ ...record(topic, 'k', `${ms}`), timestampMs: 1_700_000_000_000 + ms })));
    expect(await reader.offsetsSince(topic, 1_700_000_000_015)).toEqual([{ topic, partition: 0, offset: 1n }]);
    expect(await reader.offsetsSince(topic, 1_700_000_000_031)).toEqual([]);
  });
});
