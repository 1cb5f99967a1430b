import { describe, expect, it } from 'vitest';
import type { ConsumerEvents } from '../../core/broker.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { offset } from '../../core/offset.ts';
import { utf8, type ConsumedRecord, type TopicPartition } from '../../core/record.ts';
import { eventually } from '../../test/support/eventually.ts';
import { createInMemoryBroker } from './in-memory-broker.ts';

const TOPIC = { topic: 't', partitions: 1, retentionMs: 1_000, replicationFactor: 1 };
const record = { topic: 't', key: utf8('k'), value: utf8('v'), headers: [] };

function reader(): ConsumerEvents & { records: ConsumedRecord[]; lost: TopicPartition[]; assignments: number } {
  const seen = {
    records: [] as ConsumedRecord[],
    lost: [] as TopicPartition[],
    assignments: 0,
    onRecords: (_partition: TopicPartition, records: readonly ConsumedRecord[]) => void seen.records.push(...records),
    onAssigned: () => void (seen.assignments += 1),
    onRevoking: async () => undefined,
    onLost: (partitions: readonly TopicPartition[]) => void seen.lost.push(...partitions),
    onFatal: () => undefined,
  };
  return seen;
}

describe('the in-memory broker', () => {
  it('fails the next send on demand, before or after the records were appended', async () => {
    const broker = createInMemoryBroker();
    await broker.admin().ensureTopics([TOPIC]);
    const producer = broker.producer({ clientId: 'c' });
    broker.failNextSend();
    await expect(producer.send([record])).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    expect(broker.records('t')).toHaveLength(0);
    broker.failNextSend({ appended: true, error: new ClassifiedError('RECORD_REJECTED', 'x') });
    await expect(producer.send([record])).rejects.toMatchObject({ code: 'RECORD_REJECTED' });
    expect(broker.records('t')).toHaveLength(1);
    await producer.send([record]);
    expect(broker.records('t')).toHaveLength(2);
  });

  it('is away and comes back: nothing is accepted or delivered meanwhile, and everything goes on after it', async () => {
    const broker = createInMemoryBroker();
    await broker.admin().ensureTopics([TOPIC]);
    broker.setOutage(true);
    const events = reader();
    const consumer = broker.consumer({ group: 'g', topics: ['t'], from: 'earliest' });
    const started = consumer.start(events);
    await expect(broker.producer({ clientId: 'c' }).send([record])).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    await expect(broker.admin().listTopics()).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    broker.setOutage(false);
    await started;
    await broker.producer({ clientId: 'c' }).send([record]);
    await eventually(() => events.records.length === 1);
    broker.setOutage(true);
    await expect(consumer.commit([{ topic: 't', partition: 0, offset: offset(1n) }])).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    broker.setOutage(false);
    expect(await consumer.commit([{ topic: 't', partition: 0, offset: offset(1n) }])).toBe(true);
  });

  it('takes the partitions from members whose session ends, and delivers again what they did not commit', async () => {
    const broker = createInMemoryBroker();
    await broker.admin().ensureTopics([TOPIC]);
    await broker.producer({ clientId: 'c' }).send([record, record]);
    const events = reader();
    await broker.consumer({ group: 'g', topics: ['t'], from: 'earliest' }).start(events);
    await eventually(() => events.records.length === 2);
    broker.expireSessions('g');
    expect(events.lost).toEqual([{ topic: 't', partition: 0 }]);
    await eventually(() => events.records.length === 4);
    expect(events.assignments).toBe(2);
  });

  it('can stop a consumer that waits for the broker', async () => {
    const broker = createInMemoryBroker();
    broker.setOutage(true);
    const consumer = broker.consumer({ group: 'g', topics: ['t'], from: 'earliest' });
    const started = consumer.start(reader());
    await consumer.stop();
    await expect(started).resolves.toBeUndefined();
  });

  it('does not share its bytes with the caller', async () => {
    const broker = createInMemoryBroker();
    await broker.admin().ensureTopics([TOPIC]);
    const value = utf8('v');
    await broker.producer({ clientId: 'c' }).send([{ ...record, value }]);
    value[0] = 0;
    expect(broker.records('t')[0]?.value).toEqual(utf8('v'));
  });
});
