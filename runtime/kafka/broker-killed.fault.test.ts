import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RecordBatch } from '../../core/record-batch.ts';
import { utf8, utf8Text } from '../../core/record.ts';
import { cacheFolder } from '../../stack/native/cache.ts';
import { kafkaJars } from '../../stack/native/kafka.ts';
import { commandOf } from '../../stack/native/toolchain.ts';
import { runTool } from '../../stack/run-tool.ts';
import { stackStatus, stackUp } from '../../stack/stack.ts';
import { removeTestStack, testDataFolder } from '../../stack/test-stack.ts';
import { BrokerUnderTest, RecordingLogger } from '../../test/conformance/broker-under-test.ts';
import { recordBatchOf } from '../../test/support/record-batch-of.ts';
import { createKafkaJsDriver } from './kafkajs-driver.ts';

const BATCHES = 40;
const PER_BATCH = 20;

let dataFolder: string;
let brokers: string[];

async function up(): Promise<void> {
  const endpoints = await stackUp({ dataFolder, parts: ['kafka'], flavour: 'native', given: {} });
  brokers = endpoints.kafkaBrokers.split(',');
}

beforeAll(async () => {
  dataFolder = await testDataFolder();
  await up();
}, 300_000);

afterAll(async () => {
  await removeTestStack(dataFolder);
}, 120_000);

test('a broker that is killed while batches are appended, and comes back, has each of them once and in order', async () => {
  const broker = new BrokerUnderTest(
    createKafkaJsDriver({
      brokers,
      clientId: 'killed',
      logger: new RecordingLogger(),
      deliveryTimeoutMs: 240_000,
      requestTimeoutMs: 5_000,
    }),
    'killed',
  );
  const topic = await broker.topic(2);
  const producer = broker.driver.batchProducer({ clientId: 'killed' });
  await producer.start();
  let appended = 0;
  let restarted: Promise<void> | undefined;
  const fill = async (partition: number): Promise<void> => {
    for (let batch = 0; batch < BATCHES; batch += 1) {
      await producer.append(topic, partition, batchOf(partition, batch));
      appended += 1;
      if (appended === BATCHES / 2) restarted = killAndRestart();
    }
  };
  await Promise.all([fill(0), fill(1)]);
  await restarted;

  const reader = await broker.reader({ group: broker.group(), topics: [topic] }).start();
  await reader.untilRead(2 * BATCHES * PER_BATCH, 60_000);
  for (const partition of [0, 1]) {
    const read = reader.records.filter((record) => record.partition === partition).map(({ value }) => utf8Text(value!));
    expect(read).toEqual(Array.from({ length: BATCHES * PER_BATCH }, (_, index) => `${partition}:${index}`));
  }
  await producer.stop();
  const dump = await dumpOf(`${topic}-0`);
  expect(dump.match(/isvalid: true/g)).toHaveLength(BATCHES);
  expect(dump).not.toContain('isvalid: false');
  expect(dump).toContain(`baseSequence: ${(BATCHES - 1) * PER_BATCH} `);
  await broker.close();
}, 400_000);

async function killAndRestart(): Promise<void> {
  for (const { pid } of (await stackStatus({ dataFolder }))?.parts ?? []) if (pid !== undefined) process.kill(pid, 'SIGKILL');
  await up();
}

/**
 * Of now: by the time of its records a broker also judges, when it loads its log, whether a producer is long gone
 * (`producer.id.expiration.ms`), and it forgets the sequences of such a one.
 */
function batchOf(partition: number, batch: number): RecordBatch {
  const timestampMs = Date.now();
  return recordBatchOf(
    Array.from({ length: PER_BATCH }, (_, index) => {
      return { key: utf8('k'), value: utf8(`${partition}:${batch * PER_BATCH + index}`), timestampMs };
    }),
  );
}

/** What Kafka's own tool says of the partition's log. */
async function dumpOf(partition: string): Promise<string> {
  const entries = await readdir(dataFolder, { recursive: true });
  const log = entries.find((entry) => entry.endsWith(join(partition, '00000000000000000000.log')));
  return runTool({
    command: commandOf('java'),
    args: [
      ...['-Xmx128m', '-XX:TieredStopAtLevel=1', '-cp', join(cacheFolder(), kafkaJars.name, '*')],
      ...['org.apache.kafka.tools.DumpLogSegments', '--files', join(dataFolder, log ?? 'no log found')],
    ],
    signal: AbortSignal.timeout(60_000),
    purpose: 'Dumping a log',
    remedy: 'Look at its output.',
  });
}
