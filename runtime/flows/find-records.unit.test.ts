import { describe, expect, it } from 'vitest';
import { envelopeHeaders } from '../../core/envelope.ts';
import { utf8 } from '../../core/record.ts';
import { imageRegistered } from '../../schemas/catalogue.ts';
import { arrived } from '../../test/support/arrived.ts';
import { createInMemoryBroker } from '../kafka/in-memory-broker.ts';
import { findRecords } from './find-records.ts';
import { inShares } from './read-budget.ts';

const TOPIC = 'events.image.registered';
const ID = (index: number) => `0e000000-0000-4000-8000-${index.toString().padStart(12, '0')}`;
const T0 = Date.parse('2026-03-01T09:00:00Z');

async function topicOf(count: number, partitions = 3, everyMs = 1) {
  const broker = createInMemoryBroker();
  await broker.admin().ensureTopics([{ topic: TOPIC, partitions, retentionMs: 1e9, replicationFactor: 1 }]);
  const records = Array.from({ length: count }, (_, index) => {
    const event = arrived(imageRegistered, { image_id: 'i', user_id: `u${index % 7}`, cdn_url: 'c' }, { id: ID(index) as never });
    return {
      topic: TOPIC,
      key: utf8(event.aggregateId),
      value: utf8('{}'),
      headers: envelopeHeaders(event, ''),
      timestampMs: T0 + index * everyMs,
    };
  });
  const producer = broker.producer({ clientId: 'test' });
  for (const record of records) await producer.send([record]);
  return broker;
}
const wanted = (index: number, everyMs = 1) => ({ id: ID(index), key: `u${index % 7}`, sinceMs: T0 + index * everyMs });

describe('looking for events in a topic', () => {
  it('finds them by the id in their headers, and says which are in no partition', async () => {
    const broker = await topicOf(50);
    const { found, absent } = await findRecords(broker.logReader(), TOPIC, [wanted(3), wanted(44), wanted(77)], { records: 1_000 });
    expect([...found.keys()].sort()).toEqual([ID(3), ID(44)]);
    expect(broker.records(TOPIC)).toContainEqual(found.get(ID(3)));
    expect([...absent]).toEqual([ID(77)]);
  });

  it('finds one that lies in the partition of before partitions were added', async () => {
    const broker = await topicOf(20, 1);
    await broker.admin().ensureTopics([{ topic: TOPIC, partitions: 5, retentionMs: 1e9, replicationFactor: 1 }]);
    const { found } = await findRecords(broker.logReader(), TOPIC, [0, 1, 2, 3, 4, 5, 6].map(wanted), { records: 1_000 });
    expect(found.size).toBe(7);
  });

  it('takes an event for absent only when it has looked everywhere', async () => {
    const broker = await topicOf(2_000, 1);
    const { found, absent } = await findRecords(broker.logReader(), TOPIC, [wanted(5), wanted(1_999), wanted(3_000)], { records: 600 });
    expect([found.size, absent.size]).toEqual([1, 0]);
  });

  it('finds the young ones although an old one that is not there makes it read from far back', async () => {
    const everyMs = 60_000;
    const broker = await topicOf(2_000, 1, everyMs);
    const old = { ...wanted(3_000), sinceMs: T0 };
    const looked = await findRecords(broker.logReader(), TOPIC, [old, wanted(1_900, everyMs), wanted(1_990, everyMs)], { records: 1_200 });
    expect([...looked.found.keys()].sort()).toEqual([ID(1_900), ID(1_990)]);
    expect(looked.absent.size).toBe(0);
    const all = await findRecords(broker.logReader(), TOPIC, [old, wanted(1_990, everyMs)], { records: 10_000 });
    expect([...all.absent]).toEqual([ID(3_000)]);
  });

  it('leaves to each part its share of what may be read, and what a part does not use to those after it', async () => {
    const budget = { records: 90 };
    const used: number[] = [];
    await inShares(budget, [100, 10, 100], async (uses, share) => {
      used.push(Math.min(uses, share.records));
      share.records -= Math.min(uses, share.records);
      return true;
    });
    expect(used).toEqual([30, 10, 50]);
    expect(budget.records).toBe(0);
  });

  it('gives what others have left to those whose share was too small, whichever comes first', async () => {
    const budget = { records: 90 };
    const done: number[] = [];
    await inShares(budget, [60, 5, 5], async (needs, share) => {
      const isEnough = share.records >= needs;
      share.records -= Math.min(needs, share.records);
      if (isEnough) done.push(needs);
      return isEnough;
    });
    expect(done).toEqual([5, 5]);
    expect(budget.records).toBe(0);
    const larger = { records: 180 };
    await inShares(larger, [100, 5, 5], async (needs, share) => {
      const isEnough = share.records >= needs;
      share.records -= Math.min(needs, share.records);
      if (isEnough) done.push(needs);
      return isEnough;
    });
    expect(done).toEqual([5, 5, 5, 5, 100]);
  });

  it('reads nothing of a partition that is not worth it, and says from where it would have', async () => {
    const broker = await topicOf(50, 1);
    const reader = { ...broker.logReader(), read: async () => Promise.reject(new Error('it was read')) };
    const { found, absent, unread } = await findRecords(reader, TOPIC, [wanted(20)], { records: 1_000 }, () => false);
    expect([found.size, absent.size, [...unread]]).toEqual([0, 0, [[ID(20), { topic: TOPIC, partition: 0, offset: 0n }]]]);
  });

  it('finds nothing in a topic that is not there', async () => {
    const { found, absent } = await findRecords(createInMemoryBroker().logReader(), TOPIC, [wanted(1)], { records: 10 });
    expect([found.size, absent.size]).toEqual([0, 1]);
  });
});
