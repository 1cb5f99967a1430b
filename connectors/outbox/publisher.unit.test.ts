import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../../core/errors.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { lsn } from '../../core/lsn.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { Names } from '../../core/names.ts';
import { partitionOfKey } from '../../core/partition-of-key.ts';
import type { BatchProducer } from '../../core/record-batch.ts';
import { eventually } from '../../test/support/eventually.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { recordsOf } from '../../test/support/recording-producer.ts';
import { JSON_PASS_THROUGH } from '../../test/support/relay-under-test.ts';
import { headerText } from '../../core/record.ts';
import type { SourceTransaction } from '../replication/stream-session.ts';
import { readLogicalEvent } from './logical-event.ts';
import type { ReadEvent } from './outbox-row.ts';
import type { PublisherSettings } from './publisher.ts';
import { Publisher } from './publisher.ts';

const names = new Names('unit');
const EVENTS = names.eventTopic('image.registered');
const LETTERS = names.captureDeadLetterTopic('image');

interface Landed {
  readonly topic: string;
  readonly partition: number;
  readonly id: string;
}

/** A producer whose topics and answers a test sets. */
class ScriptedProducer implements BatchProducer {
  readonly landed: Landed[] = [];
  readonly partitions = new Map<string, number>([[EVENTS, 4]]);
  refuse: (landing: readonly Landed[]) => Error | undefined = () => undefined;

  async start(): Promise<void> {
    return undefined;
  }

  async stop(): Promise<void> {
    return undefined;
  }

  async partitionCount(topic: string): Promise<number> {
    const count = this.partitions.get(topic);
    if (count === undefined) throw new ClassifiedError('CONFIGURATION_INVALID', `no topic ${topic}`);
    return count;
  }

  knownPartitionCount(topic: string): number | undefined {
    return this.partitions.get(topic);
  }

  async append(...[topic, partition, batch]: Parameters<BatchProducer['append']>): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (partition >= (this.partitions.get(topic) ?? 0)) throw new ClassifiedError('CONFIGURATION_INVALID', 'no such partition');
    const landing = recordsOf(topic, partition, batch).map(({ headers }) => ({ topic, partition, id: headerText(headers, 'id') ?? '' }));
    const error = this.refuse(landing);
    if (error !== undefined) throw error;
    this.landed.push(...landing);
  }
}

function publisherUnderTest(settings: Partial<PublisherSettings> = {}) {
  const producer = new ScriptedProducer();
  const clock = new ManualClock();
  const astray: string[] = [];
  const told: string[] = [];
  let acknowledged = 0;
  let failToAcknowledge = false;
  const publisher = new Publisher({
    domain: 'image',
    service: 'relay.image',
    names,
    routes: new Set(['image.registered']),
    producer,
    encoder: JSON_PASS_THROUGH,
    metrics: NO_METRICS,
    logger: SILENT_LOGGER,
    clock,
    failpoint: undefined,
    settings: { batchRowsMax: 1, batchBytesMax: 900_000, lingerMs: 0, retryMaxMs: 1000, pooledBytesMax: 1_000_000, ...settings },
    lifetime: new AbortController().signal,
    onAstray: (error) => astray.push(error.message),
    onPublished: ({ id }) => told.push(id),
  });
  const session = {
    acknowledge: ({ counts }: { counts: readonly number[] }): void => {
      if (failToAcknowledge) throw new RangeError('test');
      acknowledged += counts.reduce((sum, count) => sum + count, 0);
    },
  };
  const place = (id: string, read: ReadEvent): void => {
    const columns = {
      aggregatetype: 'image',
      aggregateid: KEY,
      type: 'ImageRegistered',
      trace_id: 't',
      topic: 'image.registered',
    };
    const rest = { stream_id: 's', version: 1, created_at: '2025-11-21 08:00:00+00', payload: {} };
    const bytes = Buffer.from(JSON.stringify({ id, ...columns, ...rest }));
    const transaction = { commitLsn: lsn(1n), commitTimeUs: 1, session, endLsn: undefined, undurable: 0 };
    publisher.add(read, bytes, 0, bytes.length, transaction as unknown as SourceTransaction, bytes.length);
  };
  return {
    producer,
    publisher,
    astray,
    told,
    acknowledged: () => acknowledged,
    failToAcknowledge: (fail: boolean) => (failToAcknowledge = fail),
    add: (...ids: readonly string[]) => {
      for (const id of ids) place(id, readLogicalEvent);
      publisher.flush();
    },
    addRow: (id: string) => {
      place(id, readRow);
      publisher.flush();
    },
    /** Lets time pass in steps until nothing changes any more. */
    rest: async () => {
      for (let step = 0; step < 20; step += 1) await clock.advance(1000);
    },
  };
}

/** Of a row in whose place no logical message stands. */
const readRow: ReadEvent = (row, bytes, start, end) => readLogicalEvent(row, bytes, start, end);

const KEY = 'user-5';
const homeOf = (partitions: number): number => partitionOfKey(Buffer.from(KEY), partitions);

describe('the publisher', () => {
  it('gathers rows for as long as it is told, over many reads, and sends them as one batch', async () => {
    const { producer, publisher, add, acknowledged } = publisherUnderTest({ batchRowsMax: 1000, lingerMs: 20 });
    const batches: number[] = [];
    producer.refuse = (landing) => {
      batches.push(landing.length);
      return undefined;
    };
    for (const id of ['1', '2', '3']) add(id); // each a read, with a flush behind it
    await new Promise((resolve) => setImmediate(resolve));
    expect(batches).toEqual([]);
    await eventually(() => acknowledged() === 3);
    expect(batches).toEqual([3]);
    // Nothing lingers that is drained.
    add('4');
    await publisher.drained();
    expect(batches).toEqual([3, 1]);
  });

  it('publishes after a reset what a lane could neither publish nor put among the dead letters before it', async () => {
    const { producer, publisher, add, rest } = publisherUnderTest();
    producer.refuse = (landing) =>
      landing.some(({ topic, id }) => topic === EVENTS && id === 'large') ? new ClassifiedError('RECORD_TOO_LARGE', 'test') : undefined;
    add('large', 'next');
    await rest();
    // Nobody knows how many partitions the dead letters have: their topic is not there yet.
    expect(publisher.waitingFor).toMatchObject({ code: 'CONFIGURATION_INVALID' });
    expect(producer.landed).toEqual([]);
    publisher.reset();
    await rest();
    producer.partitions.set(LETTERS, 1);
    add('large', 'next');
    await rest();
    expect(producer.landed.map(({ topic, id }) => [topic, id])).toEqual([
      [LETTERS, 'large'],
      [EVENTS, 'next'],
    ]);
    expect(publisher.waitingFor).toBeUndefined();
  });

  it('says that a partition stands still after a fault of its own, sends nothing past it, and goes on after a reset', async () => {
    const { producer, publisher, add, rest, acknowledged, failToAcknowledge } = publisherUnderTest();
    failToAcknowledge(true);
    add('1', '2');
    await rest();
    expect(producer.landed.map(({ id }) => id)).toEqual(['1']);
    expect(publisher.haltedBy).toMatchObject({ code: 'UNCLASSIFIED' });
    failToAcknowledge(false);
    publisher.reset();
    add('1', '2');
    await rest();
    expect(publisher.haltedBy).toBeUndefined();
    expect(producer.landed.map(({ id }) => id)).toEqual(['1', '1', '2']);
    expect(acknowledged()).toBe(2);
  });

  it('asks for everything again when a partition is gone, and lets no later row of its key pass meanwhile', async () => {
    const { producer, publisher, add, rest, astray } = publisherUnderTest();
    expect(homeOf(4)).not.toBe(0);
    add('1');
    await rest();
    producer.partitions.set(EVENTS, 1);
    add('2', '3');
    await rest();
    add('4');
    await rest();
    expect(astray).toHaveLength(1);
    expect(producer.landed.map(({ id }) => id)).toEqual(['1']);
    publisher.reset();
    add('2', '3', '4');
    await rest();
    expect(producer.landed.map(({ id, partition }) => [id, partition])).toEqual([
      ['1', homeOf(4)],
      ['2', 0],
      ['3', 0],
      ['4', 0],
    ]);
  });

  it('asks for everything again when it learns of fewer partitions, and places nothing by the new number before', async () => {
    const { producer, publisher, add, rest, astray } = publisherUnderTest();
    expect(homeOf(3)).not.toBe(homeOf(4));
    add('1');
    for (let round = 0; round < 4; round += 1) await rest(); // what is known of the topic is old then
    producer.partitions.set(EVENTS, 3);
    producer.refuse = ([first]) => (first?.id === '2' ? new ClassifiedError('KAFKA_UNAVAILABLE', 'test') : undefined);
    add('2');
    await rest();
    add('3');
    await rest();
    expect(astray.length).toBeGreaterThan(0);
    expect(producer.landed.map(({ id }) => id)).toEqual(['1']);
    producer.refuse = () => undefined;
    publisher.reset();
    await rest();
    add('2', '3');
    await rest();
    expect(producer.landed.map(({ id, partition }) => [id, partition])).toEqual([
      ['1', homeOf(4)],
      ['2', homeOf(3)],
      ['3', homeOf(3)],
    ]);
  });

  it('forgets at a reset the letter that a lane waits for, and sends what comes then', async () => {
    const { producer, publisher, add, rest } = publisherUnderTest();
    producer.partitions.set(LETTERS, 2);
    producer.refuse = ([first]) => new ClassifiedError(first?.topic === LETTERS ? 'KAFKA_UNAVAILABLE' : 'RECORD_REJECTED', 'test');
    add('bad');
    await rest();
    publisher.reset();
    producer.refuse = () => undefined;
    add('good');
    await rest();
    expect(producer.landed.map(({ topic, id }) => [topic, id])).toEqual([[EVENTS, 'good']]);
  });

  it('tells which row was published, and not of a row that was under way when everything was to come again', async () => {
    const { publisher, addRow, add, rest, told, producer } = publisherUnderTest();
    addRow('row');
    await rest();
    add('message');
    await rest();
    addRow('under-way');
    publisher.reset();
    await rest();
    expect(producer.landed.map(({ id }) => id)).toEqual(['row', 'message', 'under-way']);
    expect(told).toEqual(['row']);
  });
});
