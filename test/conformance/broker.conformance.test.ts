import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BrokerDriver } from '../../core/broker.ts';
import { offset } from '../../core/offset.ts';
import { utf8, utf8Text, type ConsumedRecord, type ProducerRecord } from '../../core/record.ts';
import { createInMemoryBroker } from '../../runtime/kafka/in-memory-broker.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { partitionOfKey } from '../../core/partition-of-key.ts';
import { eventually } from '../support/eventually.ts';
import { services, uniqueNamespace } from '../support/services.ts';
import { BrokerUnderTest, KEEPS_OLD_RECORDS, RecordingLogger, record } from './broker-under-test.ts';

const logger = new RecordingLogger();
const ADAPTERS: readonly (readonly [string, () => BrokerDriver])[] = [
  ['in memory', () => createInMemoryBroker({ logger })],
  ['kafkajs', () => createKafkaJsDriver({ brokers: services().kafkaBrokers.split(','), clientId: 'conformance', logger })],
];

describe.each(ADAPTERS)('a broker %s', (_name, createDriver) => {
  let broker: BrokerUnderTest;

  beforeAll(async () => {
    broker = new BrokerUnderTest(createDriver(), uniqueNamespace('broker'));
    await broker.producer.start();
  });
  afterEach(async () => {
    await broker.stopReaders();
    logger.errors.length = 0;
  });
  afterAll(async () => {
    await broker.close();
  });

  async function readAll(topic: string, count: number): Promise<ConsumedRecord[]> {
    const reader = await broker.reader({ group: broker.group(), topics: [topic] }).start();
    await reader.untilRead(count);
    return reader.records;
  }

  describe('what is sent', () => {
    it('keeps the order of each key, over many sends and partitions', async () => {
      const topic = await broker.topic(3);
      for (let round = 0; round < 5; round += 1) {
        await broker.producer.send(Array.from({ length: 40 }, (_, index) => record(topic, `key-${index % 7}`, `${round * 40 + index}`)));
      }
      const read = await readAll(topic, 200);
      const lastOfKey = new Map<string, number>();
      for (const { key, value } of read) {
        const name = Buffer.from(key!).toString();
        const number = Number(Buffer.from(value!).toString());
        expect(number).toBeGreaterThan(lastOfKey.get(name) ?? -1);
        lastOfKey.set(name, number);
      }
      expect(lastOfKey.size).toBe(7);
    });

    it('goes to the partition that every Kafka client computes from the key', async () => {
      const topic = await broker.topic(6);
      const keys = ['', 'a', 'ab', 'abc', 'abcd', 'user-42', '3f2504e0-4f89-11d3-9a0c-0305e82c3301', '사용자'];
      await broker.producer.send(keys.map((key) => record(topic, key, key)));
      const read = await readAll(topic, keys.length);
      const partitions = new Map(read.map((one) => [Buffer.from(one.value!).toString(), one.partition]));
      expect(partitions).toEqual(new Map(keys.map((key) => [key, partitionOfKey(utf8(key), 6)])));
    });

    it('goes to the partition that the record names, and records without a key are spread', async () => {
      const topic = await broker.topic(3);
      await broker.producer.send([{ ...record(topic, 'a', 'named'), partition: 2 }]);
      await broker.producer.send(Array.from({ length: 30 }, () => record(topic, null, 'spread')));
      const read = await readAll(topic, 31);
      expect(read.find((one) => Buffer.from(one.value!).toString() === 'named')?.partition).toBe(2);
      expect(new Set(read.filter((one) => one.key === null).map((one) => one.partition)).size).toBe(3);
    });

    it('arrives with its bytes, its nulls, its timestamp and every header in its place', async () => {
      const topic = await broker.topic(1, KEEPS_OLD_RECORDS);
      const headers: ProducerRecord['headers'] = [
        ['b', utf8('1')],
        ['a', null],
        ['b', new Uint8Array([0, 255])],
        ['constructor', new Uint8Array()],
        ['__proto__', utf8('x')],
        ['1', utf8('y')],
      ];
      await broker.producer.send([
        { topic, key: new Uint8Array([0, 1, 255]), value: new Uint8Array([254, 0]), headers, timestampMs: 1_700_000_000_123 },
        { topic, key: null, value: null, headers: [] },
        { topic, key: new Uint8Array(), value: new Uint8Array(), headers: [] },
      ]);
      const [first, second, third] = await readAll(topic, 3);
      expect(plain(first!)).toEqual({
        key: [0, 1, 255],
        value: [254, 0],
        headers: headers.map(([name, value]) => [name, value === null ? null : [...value]]),
      });
      expect(first!.timestampMs).toBe(1_700_000_000_123);
      expect(first).toMatchObject({ topic, partition: 0, offset: 0n });
      expect(plain(second!)).toEqual({ key: null, value: null, headers: [] });
      expect(plain(third!)).toEqual({ key: [], value: [], headers: [] });
      expect(Math.abs(third!.timestampMs - Date.now())).toBeLessThan(60_000);
    });

    it('may be more than fits one batch', async () => {
      const topic = await broker.topic();
      const body = 'x'.repeat(3_000);
      await broker.producer.send(Array.from({ length: 1_500 }, (_, index) => record(topic, 'k', `${index}:${body}`)));
      const read = await readAll(topic, 1_500);
      expect(read.map((one) => Number.parseInt(Buffer.from(one.value!).toString(), 10))).toEqual(
        Array.from({ length: 1_500 }, (_, index) => index),
      );
    });

    it('may be nothing', async () => {
      await expect(broker.producer.send([])).resolves.toBeUndefined();
    });

    it('is refused as RECORD_TOO_LARGE when one record never fits, and the next send works', async () => {
      const topic = await broker.topic(1, { config: { 'max.message.bytes': '20000' } });
      const sent = broker.producer.send([record(topic, 'k', 'small'), record(topic, 'k', 'x'.repeat(50_000))]);
      await expect(sent).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
      await broker.send(topic, ['after']);
      const end = (await broker.admin.offsets([topic]))[0]!.end;
      const read = await readAll(topic, Number(end));
      expect(read.map((one) => Buffer.from(one.value!).toString()).at(-1)).toBe('after');
    });

    it('is refused as CONFIGURATION_INVALID when the topic or the partition does not exist', async () => {
      await expect(broker.send('no-such-topic.conformance', ['x'])).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
      const topic = await broker.topic();
      await expect(broker.producer.send([{ ...record(topic, 'k', 'x'), partition: 9 }])).rejects.toMatchObject({
        code: 'CONFIGURATION_INVALID',
      });
    });

    it('can be sent to a topic that was made a moment ago', async () => {
      const topic = await broker.topic(2);
      await expect(broker.send(topic, ['x'])).resolves.toBeUndefined();
    });
  });

  describe('what is read', () => {
    it('goes on after what was committed, and repeats what was not', async () => {
      const topic = await broker.topic();
      const group = broker.group();
      await broker.send(topic, ['0', '1', '2', '3', '4']);
      const first = await broker.reader({ group, topics: [topic] }).start();
      await first.untilRead(5);
      expect(await first.consumer.commit([{ topic, partition: 0, offset: offset(3n) }])).toBe(true);
      await first.consumer.stop();
      const second = await broker.reader({ group, topics: [topic] }).start();
      await second.untilRead(2);
      expect(second.values).toEqual(['3', '4']);
      expect(await broker.admin.committed(group, [topic])).toEqual([{ topic, partition: 0, offset: 3n }]);
    });

    it('tells where the log ends', async () => {
      const topic = await broker.topic();
      await broker.send(topic, ['0', '1', '2']);
      const reader = await broker.reader({ group: broker.group(), topics: [topic] }).start();
      await reader.untilRead(3);
      expect(reader.highWatermarks.at(-1)).toBe(3n);
    });

    it('begins at the end for a group that wants the latest, and from then on skips nothing', async () => {
      const topic = await broker.topic();
      const group = broker.group();
      await broker.send(topic, ['old']);
      const first = await broker.reader({ group, topics: [topic], from: 'latest' }).start();
      await broker.send(topic, ['new']);
      await first.untilRead(1);
      expect(first.values).toEqual(['new']);
      // It dies without a commit of its own; what came while it lived comes again, and nothing older.
      await first.consumer.stop();
      const second = await broker.reader({ group, topics: [topic], from: 'latest' }).start();
      await second.untilRead(1);
      expect(second.values).toEqual(['new']);
    });

    it('begins at the earliest record of a group that has committed nothing, and says so', async () => {
      const topic = await broker.topic(2);
      await broker.producer.send([{ ...record(topic, 'k', '0'), partition: 0 }]);
      const group = broker.group();
      const reader = await broker.reader({ group, topics: [topic] }).start();
      await reader.untilRead(1);
      // Of the partition that never had a record there is nothing to say.
      expect(reader.resets).toEqual([{ topic, partition: 0, reason: 'nothing-committed', from: undefined, to: 0n, end: 1n, lost: 0n }]);
    });

    it('goes on at the earliest record when what was committed is gone, and tells what is lost, once', async () => {
      const topic = await broker.topic();
      await broker.send(topic, ['0', '1', '2', '3', '4']);
      const group = broker.group();
      const first = await broker.reader({ group, topics: [topic] }).start();
      await first.untilRead(5);
      await first.consumer.commit([{ topic, partition: 0, offset: offset(1n) }]);
      await first.consumer.stop();
      await broker.admin.deleteRecords([{ topic, partition: 0, offset: offset(4n) }]);
      const second = await broker.reader({ group, topics: [topic] }).start();
      await second.untilRead(1);
      expect(second.values).toEqual(['4']);
      expect(second.resets).toEqual([{ topic, partition: 0, reason: 'records-gone', from: 1n, to: 4n, end: 5n, lost: 3n }]);
      await eventually(async () => expect(await broker.admin.committed(group, [topic])).toEqual([{ topic, partition: 0, offset: 4n }]));
      await second.consumer.stop();
      const third = await broker.reader({ group, topics: [topic] }).start();
      await third.untilRead(1);
      expect([third.values, third.resets]).toEqual([['4'], []]);
    });

    it('stops for a paused partition only, and goes on where it stopped', async () => {
      const topic = await broker.topic(2);
      const reader = await broker.reader({ group: broker.group(), topics: [topic] }).start();
      reader.consumer.pause([{ topic, partition: 0 }]);
      await broker.producer.send([0, 1].map((partition) => ({ ...record(topic, 'k', `first ${partition}`), partition })));
      await reader.untilRead(1);
      await broker.producer.send([{ ...record(topic, 'k', 'second 1'), partition: 1 }]);
      await reader.untilRead(2);
      expect(reader.values).toEqual(['first 1', 'second 1']);
      reader.consumer.resume([{ topic, partition: 0 }]);
      await reader.untilRead(3);
      expect(reader.values).toEqual(['first 1', 'second 1', 'first 0']);
    });

    it('comes again after a seek backwards', async () => {
      const topic = await broker.topic();
      const reader = await broker.reader({ group: broker.group(), topics: [topic] }).start();
      await broker.send(topic, ['0', '1', '2']);
      await reader.untilRead(3);
      reader.consumer.seek({ topic, partition: 0 }, offset(1n));
      await reader.untilRead(5);
      expect(reader.values).toEqual(['0', '1', '2', '1', '2']);
    });

    it('is not lost and not stopped by a callback that throws', async () => {
      const topic = await broker.topic();
      let throws = 1;
      const reader = broker.reader(
        { group: broker.group(), topics: [topic] },
        {
          onRecords: () => {
            throws -= 1;
            if (throws >= 0) throw new TypeError('a bug of the callback');
          },
        },
      );
      await reader.start();
      await broker.send(topic, ['0']);
      await reader.untilRead(1);
      await broker.send(topic, ['1']);
      await reader.untilRead(2);
      expect(reader.values).toEqual(['0', '1']);
      expect(reader.fatal).toEqual([]);
      expect(logger.errors).toEqual(['a consumer callback threw']);
    });

    it('is nothing when there is nothing: the first assignment is known all the same', async () => {
      const topic = await broker.topic();
      const group = broker.group();
      const first = await broker.reader({ group, topics: [topic] }).start();
      const second = await broker.reader({ group, topics: [topic] }).start();
      await eventually(() => first.assigned.length + second.assigned.length === 1);
      expect([first.assigned.length, second.assigned.length].sort()).toEqual([0, 1]);
    });
  });

  describe('a group', () => {
    it('shares its partitions, and waits for a member that gives some away', async () => {
      const topic = await broker.topic(4);
      const group = broker.group();
      const order: string[] = [];
      let drained: () => void = () => undefined;
      const draining = new Promise<void>((resolve) => (drained = resolve));
      const first = broker.reader(
        { group, topics: [topic] },
        {
          onRevoking: async () => {
            order.push('first is asked');
            await draining;
            order.push('first has drained');
          },
        },
      );
      await first.start();
      expect(first.assigned).toHaveLength(4);
      const second = broker.reader({ group, topics: [topic] }, { onAssigned: () => order.push('second is given') });
      const joined = second.start();
      await eventually(() => order.length > 0);
      // Long enough for the second to be given something, were it not waited for.
      await expect(eventually(() => order.length > 1, { timeoutMs: 2_000 })).rejects.toThrow();
      drained();
      await joined;
      await eventually(() => first.assigned.length === 2 && second.assigned.length === 2);
      expect(order).toEqual(['first is asked', 'first has drained', 'second is given']);
      expect(new Set([...first.assigned, ...second.assigned].map(({ partition }) => partition)).size).toBe(4);
    });

    it('takes the commit of a member that is giving a partition away, so that nothing is read twice', async () => {
      const topic = await broker.topic();
      const group = broker.group();
      await broker.send(topic, ['0', '1']);
      const answers: boolean[] = [];
      const first = broker.reader(
        { group, topics: [topic] },
        {
          onRevoking: async () => {
            answers.push(await first.consumer.commit([{ topic, partition: 0, offset: offset(2n) }]));
          },
        },
      );
      await first.start();
      await first.untilRead(2);
      const second = await broker.reader({ group, topics: [topic] }).start();
      await eventually(() => first.assigned.length + second.assigned.length === 1);
      await broker.send(topic, ['2']);
      await eventually(() => first.records.length + second.records.length === 3);
      expect(answers).toEqual([true]);
      expect([...first.values, ...second.values].sort()).toEqual(['0', '1', '2']);
    });

    it('takes nothing from a member that no longer has the partition', async () => {
      const topic = await broker.topic(2);
      const group = broker.group();
      await broker.producer.send([0, 1].flatMap((partition) => ['a', 'b'].map((value) => ({ ...record(topic, 'k', value), partition }))));
      const first = await broker.reader({ group, topics: [topic] }).start();
      await first.untilRead(4);
      const second = await broker.reader({ group, topics: [topic] }).start();
      await eventually(() => first.assigned.length === 1 && second.assigned.length === 1);
      const gone = second.assigned[0]!;
      expect(await first.consumer.commit([{ ...gone, offset: offset(2n) }])).toBe(false);
      await first.consumer.stop();
      expect(await first.consumer.commit([{ topic, partition: 0, offset: offset(1n) }])).toBe(false);
      expect(await broker.admin.committed(group, [topic])).toEqual([]);
    });

    it('gives everything to the member that stays, and asks the one that stops to drain first', async () => {
      const topic = await broker.topic(2);
      const group = broker.group();
      const first = await broker.reader({ group, topics: [topic] }).start();
      const second = await broker.reader({ group, topics: [topic] }).start();
      await eventually(() => first.assigned.length === 1 && second.assigned.length === 1);
      await second.consumer.stop();
      await second.consumer.stop();
      expect(second.revocations).toBeGreaterThan(0);
      await eventually(() => first.assigned.length === 2);
      expect(first.lost).toEqual([]);
      expect(second.lost).toEqual([]);
    });

    it('can be left before it was joined', async () => {
      const topic = await broker.topic();
      const reader = broker.reader({ group: broker.group(), topics: [topic] });
      const started = reader.start();
      await reader.consumer.stop();
      await started;
      expect(reader.assigned).toEqual([]);
    });
  });

  describe('the admin', () => {
    it('makes topics, corrects them, and has nothing to do the second time', async () => {
      const declared = broker.declaration(2, { config: { 'max.message.bytes': '200000' } });
      const { topic } = declared;
      expect(await broker.admin.ensureTopics([declared])).toEqual([
        `topic ${topic}: created with 2 partitions, retention.ms=3600000, max.message.bytes=200000`,
      ]);
      expect(await broker.admin.ensureTopics([declared])).toEqual([]);
      const more = { ...declared, partitions: 3, retentionMs: 7_200_000 };
      expect(await broker.admin.ensureTopics([more])).toEqual([
        `topic ${topic}: partitions 2 → 3`,
        `topic ${topic}: set retention.ms=7200000`,
      ]);
      // What was set before is still set: correcting one setting does not take the others away.
      expect(await broker.admin.ensureTopics([more])).toEqual([]);
      // Never fewer: keys would move and records would be lost.
      expect(await broker.admin.ensureTopics([{ ...more, partitions: 1 }])).toEqual([]);
      expect(await broker.admin.listTopics()).toContain(topic);
    });

    it('tells first and last offsets, leaves unknown topics out, and forgets deleted ones', async () => {
      const topic = await broker.topic(2);
      await broker.producer.send([{ ...record(topic, 'k', 'x'), partition: 1 }]);
      expect(await broker.admin.offsets([topic, 'no-such-topic.conformance'])).toEqual([
        { topic, partition: 0, earliest: 0n, end: 0n },
        { topic, partition: 1, earliest: 0n, end: 1n },
      ]);
      expect(await broker.admin.committed(broker.group(), [topic, 'no-such-topic.conformance'])).toEqual([]);
      await broker.admin.deleteTopics([topic, 'no-such-topic.conformance']);
      await eventually(async () => !(await broker.admin.listTopics()).includes(topic));
      expect(await broker.admin.offsets([topic])).toEqual([]);
    });

    it('deletes the records below an offset, which readers then pass over, and nothing the second time', async () => {
      const topic = await broker.topic();
      await broker.send(topic, ['0', '1', '2']);
      const before = [{ topic, partition: 0, offset: offset(2n) }];
      await broker.admin.deleteRecords(before);
      await broker.admin.deleteRecords([{ topic, partition: 0, offset: offset(1n) }]);
      await broker.admin.deleteRecords(before);
      expect(await broker.admin.offsets([topic])).toEqual([{ topic, partition: 0, earliest: 2n, end: 3n }]);
      const reader = broker.driver.logReader();
      try {
        const gone = await reader.read({ topic, partition: 0 }, offset(0n));
        const { records } = gone.records.length > 0 ? gone : await reader.read({ topic, partition: 0 }, gone.next);
        expect(records.map(({ value }) => utf8Text(value!))).toEqual(['2']);
      } finally {
        await reader.stop();
      }
    });

    it('tells who is in a group and what they read, and of nobody else', async () => {
      const topic = await broker.topic();
      const group = broker.group();
      expect(await broker.admin.members(group)).toEqual([]);
      const reader = await broker.reader({ group, topics: [topic] }).start();
      await eventually(async () => expect(await broker.admin.members(group)).toMatchObject([{ topics: [topic] }]));
      await reader.consumer.stop();
      await eventually(async () => expect(await broker.admin.members(group)).toEqual([]), { everyMs: 200 });
    });

    it('deletes a group with its offsets, and does not mind one that is not there', async () => {
      const topic = await broker.topic();
      const group = broker.group();
      await broker.send(topic, ['0']);
      const reader = await broker.reader({ group, topics: [topic] }).start();
      await reader.untilRead(1);
      await reader.consumer.commit([{ topic, partition: 0, offset: offset(1n) }]);
      await reader.consumer.stop();
      await eventually(() => broker.admin.deleteGroups([group]), { everyMs: 200 });
      await broker.admin.deleteGroups([group]);
      expect(await broker.admin.committed(group, [topic])).toEqual([]);
    });
  });

  it('sends nothing after it was stopped, and can be stopped twice', async () => {
    const topic = await broker.topic();
    const other = createDriver().producer({ clientId: 'stopped' });
    await other.start();
    await other.stop();
    await other.stop();
    await expect(other.send([record(topic, 'k', 'x')])).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
  });
});

function plain({ key, value, headers }: ConsumedRecord): object {
  const bytes = (data: Uint8Array | null) => (data === null ? null : [...data]);
  return { key: bytes(key), value: bytes(value), headers: headers.map(([name, data]) => [name, bytes(data)]) };
}
