import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BrokerDriver } from '../../core/broker.ts';
import type { BatchProducer, RecordBatch } from '../../core/record-batch.ts';
import { utf8, utf8Text, type ConsumedRecord } from '../../core/record.ts';
import { createInMemoryBroker } from '../../runtime/kafka/in-memory-broker.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { recordBatchOf } from '../support/record-batch-of.ts';
import { services, uniqueNamespace } from '../support/services.ts';
import { BrokerUnderTest, KEEPS_OLD_RECORDS, RecordingLogger } from './broker-under-test.ts';

const logger = new RecordingLogger();
const ADAPTERS: readonly (readonly [string, () => BrokerDriver])[] = [
  ['in memory', () => createInMemoryBroker({ logger })],
  ['kafkajs', () => createKafkaJsDriver({ brokers: services().kafkaBrokers.split(','), clientId: 'conformance', logger })],
];

describe.each(ADAPTERS)('a batch producer %s', (_name, createDriver) => {
  let broker: BrokerUnderTest;
  let producer: BatchProducer;

  beforeAll(async () => {
    broker = new BrokerUnderTest(createDriver(), uniqueNamespace('batch'));
    producer = broker.driver.batchProducer({ clientId: 'conformance-batches' });
    await producer.start();
  });
  afterEach(async () => {
    await broker.stopReaders();
  });
  afterAll(async () => {
    await producer.stop();
    await broker.close();
  });

  async function readAll(topic: string, count: number): Promise<ConsumedRecord[]> {
    const reader = await broker.reader({ group: broker.group(), topics: [topic] }).start();
    await reader.untilRead(count);
    return reader.records;
  }

  async function end(topic: string): Promise<bigint[]> {
    return (await broker.admin.offsets([topic])).map((one) => one.end);
  }

  it('appends the records of each partition in order, over many batches and partitions', async () => {
    const topic = await broker.topic(3);
    const append = async (partition: number): Promise<void> => {
      for (let batch = 0; batch < 10; batch += 1) {
        await producer.append(topic, partition, batchOf(Array.from({ length: 7 }, (_, index) => `${partition}:${batch * 7 + index}`)));
      }
    };
    await Promise.all([0, 1, 2].map(append));
    const read = await readAll(topic, 210);
    for (const partition of [0, 1, 2]) {
      const values = read.filter((record) => record.partition === partition).map(({ value }) => utf8Text(value!));
      expect(values).toEqual(Array.from({ length: 70 }, (_, index) => `${partition}:${index}`));
    }
  });

  it('appends batches for many partitions and topics that are given in one turn', async () => {
    const topics = [await broker.topic(8), await broker.topic(8)];
    await Promise.all(
      topics.flatMap((topic) => Array.from({ length: 8 }, (_, partition) => producer.append(topic, partition, batchOf([`${partition}`])))),
    );
    for (const topic of topics) {
      expect(await end(topic)).toEqual(Array.from({ length: 8 }, () => 1n));
      const read = await readAll(topic, 8);
      expect(read.every(({ partition, value }) => utf8Text(value!) === `${partition}`)).toBe(true);
    }
  });

  it('keeps nulls, empty bytes, timestamps and every header in its place', async () => {
    const topic = await broker.topic(1, KEEPS_OLD_RECORDS);
    const headers: ConsumedRecord['headers'] = [
      ['b', utf8('1')],
      ['a', null],
      ['b', new Uint8Array([0, 255])],
      ['constructor', new Uint8Array()],
      ['', utf8('nameless')],
      ['사용자', utf8('y')],
    ];
    const sent = [
      { key: new Uint8Array([0, 1, 255]), value: new Uint8Array([254, 0]), headers, timestampMs: 1_700_000_000_123 },
      { key: null, value: null, headers: [], timestampMs: 1_700_000_000_000 },
      { key: new Uint8Array(), value: new Uint8Array(), headers: [], timestampMs: 1_700_086_400_000 },
    ];
    await producer.append(topic, 0, recordBatchOf(sent));
    const read = await readAll(topic, 3);
    expect(read.map(plain)).toEqual(sent.map(plain));
    expect(read.map(({ offset }) => offset)).toEqual([0n, 1n, 2n]);
  });

  it('appends a batch of many records and one of nearly the largest size', async () => {
    const topic = await broker.topic();
    await producer.append(topic, 0, batchOf(Array.from({ length: 20_000 }, (_, index) => `${index}`)));
    await producer.append(topic, 0, batchOf(['x'.repeat(1_040_000)]));
    const read = await readAll(topic, 20_001);
    expect(read.slice(0, 20_000).map(({ value }) => Number(utf8Text(value!)))).toEqual(Array.from({ length: 20_000 }, (_, index) => index));
    expect(read[20_000]?.value?.length).toBe(1_040_000);
  });

  it('refuses a batch above the topic’s limit as RECORD_TOO_LARGE, appends nothing of it, and goes on', async () => {
    const topic = await broker.topic(2, { config: { 'max.message.bytes': '20000' } });
    const tooLarge = producer.append(topic, 0, batchOf(Array.from({ length: 30 }, () => 'x'.repeat(1_000))));
    const beside = producer.append(topic, 1, batchOf(['beside']));
    await expect(tooLarge).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
    await beside;
    expect(await end(topic)).toEqual([0n, 1n]);
    await producer.append(topic, 0, batchOf(['after']));
    await producer.append(topic, 0, batchOf(['and after']));
    expect(await end(topic)).toEqual([2n, 1n]);
  });

  it('refuses a batch whose records are not what was said as RECORD_REJECTED, appends nothing of it, and goes on', async () => {
    const topic = await broker.topic();
    const oneRecord = batchOf(['x']);
    await expect(producer.append(topic, 0, { ...oneRecord, recordCount: 2 })).rejects.toMatchObject({ code: 'RECORD_REJECTED' });
    expect(await end(topic)).toEqual([0n]);
    await producer.append(topic, 0, batchOf(['after']));
    expect(await end(topic)).toEqual([1n]);
  }, 20_000);

  it('refuses topics and partitions that do not exist as CONFIGURATION_INVALID', async () => {
    const topic = await broker.topic();
    const refused = { code: 'CONFIGURATION_INVALID' };
    await Promise.all([
      expect(producer.append('no-such-topic.batches', 0, batchOf(['x']))).rejects.toMatchObject(refused),
      expect(producer.append(topic, 9, batchOf(['x']))).rejects.toMatchObject(refused),
      expect(producer.partitionCount('no-such-topic.batches')).rejects.toMatchObject(refused),
    ]);
    expect(producer.knownPartitionCount('no-such-topic.batches')).toBeUndefined();
    await producer.append(topic, 0, batchOf(['after']));
  }, 20_000);

  it('knows how many partitions a topic has, from memory once it was asked', async () => {
    const topic = await broker.topic(5);
    expect(await producer.partitionCount(topic)).toBe(5);
    expect(producer.knownPartitionCount(topic)).toBe(5);
  });

  it('appends to a topic that was made a moment ago', async () => {
    const topic = await broker.topic(2);
    await expect(producer.append(topic, 1, batchOf(['x']))).resolves.toBeUndefined();
  });

  it('finishes what is in hand when it stops, takes nothing more, and can be stopped twice', async () => {
    const topic = await broker.topic();
    const stopped = broker.driver.batchProducer({ clientId: 'conformance-stopped' });
    await stopped.start();
    const inHand = stopped.append(topic, 0, batchOf(['in hand']));
    await Promise.all([stopped.stop(), stopped.stop()]);
    await expect(inHand).resolves.toBeUndefined();
    await expect(stopped.append(topic, 0, batchOf(['late']))).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    expect(await end(topic)).toEqual([1n]);
  });
});

function batchOf(values: readonly string[]): RecordBatch {
  return recordBatchOf(values.map((value) => ({ key: utf8('k'), value: utf8(value) })));
}

function plain({ key, value, headers, timestampMs }: Pick<ConsumedRecord, 'key' | 'value' | 'headers' | 'timestampMs'>): object {
  return {
    key: key === null ? null : [...key],
    value: value === null ? null : [...value],
    headers: headers.map(([name, one]) => [name, one === null ? null : [...one]]),
    timestampMs,
  };
}
