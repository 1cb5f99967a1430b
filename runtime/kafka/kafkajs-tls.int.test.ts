import { randomBytes } from 'node:crypto';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BatchProducer, RecordBatch } from '../../core/record-batch.ts';
import { utf8 } from '../../core/record.ts';
import { RecordingLogger } from '../../test/conformance/broker-under-test.ts';
import { BreakableNetwork } from '../../test/support/breakable-network.ts';
import { eventually } from '../../test/support/eventually.ts';
import { recordBatchOf } from '../../test/support/record-batch-of.ts';
import type { SecuredKafka } from '../../test/support/secured-kafka.ts';
import { startSecuredKafka } from '../../test/support/secured-kafka.ts';
import { TEST_CERTIFICATE } from '../../test/support/tls-for-tests.ts';
import { readTopics } from '../../test/support/topic-records.ts';
import type { KafkaJsSettings } from './kafkajs-client.ts';
import { createKafkaJsDriver } from './kafkajs-driver.ts';

const CA = { ca: [TEST_CERTIFICATE] };
/** Far more than one record of TLS, which is 16 KiB. */
const LARGE_BYTES = 700_000;

interface Appended {
  readonly partition: number;
  readonly values: readonly Uint8Array[];
}

/** Partition 0 takes few large batches, partition 1 many small ones. */
const LOAD: readonly Appended[] = [
  ...Array.from({ length: 12 }, () => ({ partition: 0, values: [randomBytes(LARGE_BYTES)] })),
  ...Array.from({ length: 150 }, (_, batch) => ({
    partition: 1,
    values: Array.from({ length: 7 }, (_each, record) => utf8(`${batch}/${record}`)),
  })),
];

describe('Kafka behind TLS', () => {
  let kafka: SecuredKafka;

  const settings = (more: Partial<KafkaJsSettings>): KafkaJsSettings => ({
    brokers: [kafka.address],
    clientId: 'tls-int',
    logger: new RecordingLogger(),
    ...more,
  });

  beforeAll(async () => {
    kafka = await startSecuredKafka({ tls: true });
    const admin = createKafkaJsDriver(settings({ ssl: CA })).admin();
    const declared = ['whole', 'cut'].map((topic) => ({ topic, partitions: 2, retentionMs: 86_400_000, replicationFactor: 1 }));
    // Started a moment ago; nothing else waits for it.
    await eventually(() => admin.ensureTopics(declared).then(() => true), { timeoutMs: 60_000 });
    await admin.stop();
  }, 120_000);
  afterAll(async () => kafka.stop());

  const batchOf = ({ values }: Appended): RecordBatch => recordBatchOf(values.map((value) => ({ key: null, value })));
  /** One after the other in each partition, and both partitions at once; a batch whose fate is unknown is given again. */
  const appendAll = async (producer: BatchProducer, topic: string): Promise<void> => {
    await Promise.all(
      [0, 1].map(async (partition) => {
        for (const load of LOAD.filter((each) => each.partition === partition)) {
          const batch = batchOf(load);
          await eventually(() => producer.append(topic, partition, batch).then(() => true), { timeoutMs: 60_000 });
        }
      }),
    );
  };
  const expectAll = async (topic: string): Promise<void> => {
    const driver = createKafkaJsDriver(settings({ ssl: CA }));
    const read = await readTopics(driver, `${topic}.reader`, [topic]);
    const reader = driver.logReader();
    try {
      for (const partition of [0, 1]) {
        const expected = LOAD.filter((each) => each.partition === partition).flatMap(({ values }) => values);
        const found = () => read.records.filter((record) => record.partition === partition).map(({ value }) => value!);
        await eventually(() => expect(found().length).toBe(expected.length), { timeoutMs: 60_000 });
        expect(Buffer.concat(found()).equals(Buffer.concat(expected))).toBe(true);
      }
      const { topics } = await reader.describe([topic]);
      expect(topics[0]?.partitions.map(({ end }) => Number(end))).toEqual([12, 1050]);
    } finally {
      await reader.stop();
      await read.stop();
    }
  };

  it('takes finished batches, large ones and many, and gives them to consumers byte for byte', async () => {
    const producer = createKafkaJsDriver(settings({ ssl: CA })).batchProducer({ clientId: 'tls-int' });
    try {
      await producer.start();
      await appendAll(producer, 'whole');
    } finally {
      await producer.stop();
    }
    await expectAll('whole');
  }, 120_000);

  it('has each batch once, in order, though its connections are cut in between', async () => {
    const network = await new BreakableNetwork().open();
    const producer = createKafkaJsDriver(
      settings({
        ssl: CA,
        socketFactory: ({ host, port, onConnect }) =>
          connectTls({ socket: network.socketFactory({ host, port, onConnect: () => undefined }), ...CA }, onConnect),
      }),
    ).batchProducer({ clientId: 'tls-int' });
    try {
      await producer.start();
      const appending = appendAll(producer, 'cut');
      let done = false;
      void appending.then(() => (done = true));
      let cuts = 0;
      await eventually(
        () => {
          if (!done) {
            network.become('cut');
            network.become('open');
            cuts += 1;
          }
          return done;
        },
        { timeoutMs: 90_000, everyMs: 150 },
      );
      await appending;
      expect(cuts).toBeGreaterThan(1);
    } finally {
      await producer.stop();
      await network.close();
    }
    await expectAll('cut');
  }, 180_000);

  it('is not spoken to when nobody vouches for its certificate, nor in the clear', async () => {
    for (const ssl of [true, false]) {
      const driver = createKafkaJsDriver(settings({ ssl, deliveryTimeoutMs: 1_500, requestTimeoutMs: 1_500 }));
      const producer = driver.batchProducer({ clientId: 'tls-int' });
      try {
        await expect(producer.append('whole', 0, batchOf(LOAD[0]!))).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
      } finally {
        await producer.stop();
      }
    }
  }, 60_000);
});
