import { Kafka, logLevel, type Admin } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BatchProducer } from '../../core/record-batch.ts';
import { utf8, utf8Text } from '../../core/record.ts';
import { BrokerUnderTest, RecordingLogger, type Reader } from '../../test/conformance/broker-under-test.ts';
import { eventually } from '../../test/support/eventually.ts';
import { recordBatchOf } from '../../test/support/record-batch-of.ts';
import type { SeveralBrokers } from '../../test/support/several-brokers.ts';
import { startSeveralBrokers } from '../../test/support/several-brokers.ts';
import { createKafkaJsDriver } from './kafkajs-driver.ts';

const WITHIN = { timeoutMs: 90_000, everyMs: 100 };

describe('the batch producer on several brokers', { timeout: 240_000 }, () => {
  let cluster: SeveralBrokers;
  let kafka: BrokerUnderTest;
  let admin: Admin;
  let producer: BatchProducer;

  beforeAll(async () => {
    cluster = await startSeveralBrokers();
    const settings = { brokers: cluster.addresses, logger: new RecordingLogger(), requestTimeoutMs: 5_000, deliveryTimeoutMs: 120_000 };
    kafka = new BrokerUnderTest(createKafkaJsDriver({ ...settings, clientId: 'test-leaders' }), 'leaders');
    admin = new Kafka({ brokers: [...cluster.addresses], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    await eventually(async () => (await admin.describeCluster()).brokers.length === 2, WITHIN);
    producer = kafka.driver.batchProducer({ clientId: 'test-leaders' });
    await producer.start();
  }, 240_000);
  afterAll(async () => {
    await producer.stop();
    await kafka.close();
    await admin.disconnect();
    await cluster.remove();
  }, 60_000);

  const leaderOf = async (topic: string, partition: number): Promise<number | undefined> => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]?.partitions.find(({ partitionId }) => partitionId === partition)?.leader;
  };
  const inSync = async (topic: string): Promise<number[]> => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]?.partitions.map(({ isr }) => isr.length) ?? [];
  };
  const moveTo = async (topic: string, partition: number, replicas: number[]): Promise<void> => {
    await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment: [{ partition, replicas }] }] });
    await eventually(async () => replicas[0] === (await leaderOf(topic, partition)), WITHIN);
  };

  /** Appends to both partitions, a batch at a time each, until it is told to stop; what was acknowledged, in its order. */
  function appending(topic: string): { readonly acknowledged: string[][]; readonly stop: () => Promise<void> } {
    const acknowledged: string[][] = [[], []];
    let stopped = false;
    const work = acknowledged.map(async (values, partition) => {
      for (let number = 0; !stopped; number += 1) {
        const batch = [`${partition}.${number}.a`, `${partition}.${number}.b`];
        await producer.append(topic, partition, recordBatchOf(batch.map((value) => ({ key: utf8('k'), value: utf8(value) }))));
        values.push(...batch);
      }
    });
    return {
      acknowledged,
      stop: async () => {
        stopped = true;
        await Promise.all(work);
      },
    };
  }

  /** Until both partitions have had more batches acknowledged. */
  async function grow(acknowledged: readonly string[][], by = 20): Promise<void> {
    const goals = acknowledged.map(({ length }) => length + by);
    await eventually(() => acknowledged.every(({ length }, partition) => length >= (goals[partition] ?? 0)), WITHIN);
  }

  /** What was acknowledged is in the log once and in its order, and so it came to somebody who read all the while. */
  async function expectExactly(topic: string, acknowledged: readonly string[][], reader: Reader): Promise<void> {
    const ends = await kafka.admin.offsets([topic]);
    expect(ends.map(({ end }) => Number(end))).toEqual(acknowledged.map(({ length }) => length));
    // Whoever begins anew has to find all of it.
    expect(ends.map(({ earliest }) => Number(earliest))).toEqual(acknowledged.map(() => 0));
    // It commits nothing: where it has to join anew, it begins anew.
    const first = (): string[][] =>
      acknowledged.map((_, partition) => {
        const values = new Map(reader.records.filter((each) => each.partition === partition).map((each) => [each.offset, each.value]));
        return [...values.values()].map((value) => utf8Text(value ?? new Uint8Array()));
      });
    const begun = performance.now();
    await eventually(() => first().flat().length >= acknowledged.flat().length, WITHIN);
    process.stdout.write(
      `fault: a leader moved, the reader had everything ${Math.round(performance.now() - begun)} ms after the last append\n`,
    );
    expect(first()).toEqual(acknowledged);
  }

  it('follows a leader that moves, again and again, and appends each batch once and in its order', async () => {
    const topic = await kafka.topic(2, { replicationFactor: 1 });
    const reader = await kafka.reader({ group: kafka.group(), topics: [topic] }).start();
    const { acknowledged, stop } = appending(topic);
    for (const to of [2, 1, 2]) {
      await grow(acknowledged);
      await Promise.all([moveTo(topic, 0, [to]), moveTo(topic, 1, [3 - to])]);
    }
    await grow(acknowledged);
    await stop();
    expect([await leaderOf(topic, 0), await leaderOf(topic, 1)]).toEqual([2, 1]);
    await expectExactly(topic, acknowledged, reader);
  });

  it('goes on with the other replica when a leader is killed, and when it is back', async () => {
    const topic = await kafka.topic(2, { replicationFactor: 1 });
    await moveTo(topic, 0, [2]);
    await moveTo(topic, 1, [1]);
    for (const [partition, replicas] of [
      [2, 1],
      [1, 2],
    ].entries())
      await moveTo(topic, partition, replicas);
    await eventually(async () => (await inSync(topic)).every((replicas) => replicas === 2), WITHIN);
    const reader = await kafka.reader({ group: kafka.group(), topics: [topic] }).start();
    const { acknowledged, stop } = appending(topic);
    await grow(acknowledged);
    expect([await leaderOf(topic, 0), await leaderOf(topic, 1)]).toEqual([2, 1]);
    await cluster.killSecond();
    await grow(acknowledged);
    expect([await leaderOf(topic, 0), await leaderOf(topic, 1)]).toEqual([1, 1]);
    await cluster.startSecond();
    await eventually(async () => (await inSync(topic)).every((replicas) => replicas === 2), WITHIN);
    await grow(acknowledged);
    await stop();
    await expectExactly(topic, acknowledged, reader);
  });
});
