import { randomBytes } from 'node:crypto';
import kafkajs from 'kafkajs';
import { expect, it } from 'vitest';
import type { ConsumedRecord, ProducerRecord } from '../../core/record.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { utf8, utf8Text } from '../../core/record.ts';
import { eventually } from '../../test/support/eventually.ts';
import { services, uniqueNamespace } from '../../test/support/services.ts';
import { createKafkaJsDriver } from './kafkajs-driver.ts';

const brokers = services().kafkaBrokers.split(',');
const word = 'millrace '.repeat(40);
/** What does not shrink, what does, what repeats itself at once, and more than one block of any codec. */
const VALUES = [
  randomBytes(70_000),
  utf8(word),
  Buffer.alloc(100_000, 7),
  Buffer.concat([randomBytes(300), utf8(word.repeat(400)), randomBytes(9)]),
];

it.each(['gzip', 'snappy', 'lz4'])('what the broker has compressed with %s is read as it was written', async (codec) => {
  const driver = createKafkaJsDriver({ brokers, clientId: 'codecs', logger: SILENT_LOGGER });
  const [admin, producer] = [driver.admin(), driver.producer({ clientId: 'codecs' })];
  const topic = `${uniqueNamespace('codecs')}.${codec}`;
  const group = `${topic}.reader`;
  const read: ConsumedRecord[] = [];
  const consumer = driver.consumer({ group, topics: [topic], from: 'earliest' });
  const foreign = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).admin();
  try {
    await foreign.connect();
    const configEntries = [{ name: 'compression.type', value: codec }];
    await foreign.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 1, replicationFactor: 1, configEntries }] });
    await producer.start();
    const records = VALUES.map((value, n): ProducerRecord => ({ topic, partition: 0, key: utf8(`key-${n}`), value, headers: [] }));
    await producer.send(records);
    await consumer.start({
      onRecords: (_partition, records) => void read.push(...records),
      onAssigned: () => undefined,
      onRevoking: async () => undefined,
      onLost: () => undefined,
      onFatal: (error) => expect.fail(error.message),
    });
    await eventually(() => expect(read).toHaveLength(VALUES.length), { timeoutMs: 20_000 });
    expect(read.map(({ key }) => utf8Text(key!))).toEqual(VALUES.map((_, n) => `key-${n}`));
    for (const [n, { value }] of read.entries()) expect(Buffer.compare(value!, VALUES[n]!)).toBe(0);
  } finally {
    await consumer.stop();
    await producer.stop();
    await foreign.disconnect();
    await admin.deleteTopics([topic]);
    await eventually(() => admin.deleteGroups([group]).then(() => true), { timeoutMs: 30_000 });
    await admin.stop();
  }
});
