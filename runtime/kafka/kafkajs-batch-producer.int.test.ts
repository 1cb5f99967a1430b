import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BatchProducer, RecordBatch } from '../../core/record-batch.ts';
import { utf8 } from '../../core/record.ts';
import { cacheFolder } from '../../stack/native/cache.ts';
import { kafkaJars } from '../../stack/native/kafka.ts';
import { commandOf } from '../../stack/native/toolchain.ts';
import { runTool } from '../../stack/run-tool.ts';
import { BrokerUnderTest, KEEPS_OLD_RECORDS, RecordingLogger } from '../../test/conformance/broker-under-test.ts';
import { eventually } from '../../test/support/eventually.ts';
import { recordBatchOf } from '../../test/support/record-batch-of.ts';
import { services, uniqueNamespace } from '../../test/support/services.ts';
import { createKafkaJsDriver } from './kafkajs-driver.ts';
import { KafkaJsTopology } from './kafkajs-topology.ts';
import { ProduceTurn } from './produce-turn.ts';
import { decodeRecordBatch } from './record-batch-decoder.ts';
import { completeRecordBatch, type BatchStamp } from './record-batch-head.ts';

const JARS = join(cacheFolder(), kafkaJars.name);

describe('the batch producer on a real broker', () => {
  const settings = {
    brokers: services().kafkaBrokers.split(','),
    clientId: 'batch-int',
    logger: new RecordingLogger(),
    metadataMaxAgeMs: 300,
  };
  let broker: BrokerUnderTest;
  let producer: BatchProducer;

  beforeEach(async () => {
    broker = new BrokerUnderTest(createKafkaJsDriver(settings), uniqueNamespace('batchi'));
    producer = broker.driver.batchProducer({ clientId: 'batch-int' });
    await producer.start();
  });
  afterEach(async () => {
    await producer.stop();
    await broker.close();
  });

  async function values(topic: string): Promise<(string | null)[]> {
    const reader = await broker.reader({ group: broker.group(), topics: [topic] }).start();
    await reader.untilRead(Number((await broker.admin.offsets([topic])).reduce((sum, { end }) => sum + end, 0n)));
    return reader.values;
  }

  /** Appends as if it were the producer with that stamp, from another process. */
  async function forge(topic: string, batch: RecordBatch, stamp: BatchStamp): Promise<void> {
    const topology = new KafkaJsTopology(settings, 'forger');
    try {
      completeRecordBatch(batch, stamp);
      const turn = new ProduceTurn(await topology.leader(topic, 0), 10_000);
      expect(await turn.send({ topic, partition: 0, batch })).toBe(0);
    } finally {
      topology.close();
    }
  }

  it('lets go of a batch with its caller, and does not bring it to a topic that is made in place of the one that is gone', async () => {
    const topic = await broker.topic(1);
    await producer.append(topic, 0, batchOf(['before']));
    await broker.admin.deleteTopics([topic]);
    await eventually(async () => (await broker.admin.offsets([topic]).catch(() => [])).length === 0);
    const letGo = new AbortController();
    const given = producer.append(topic, 0, batchOf(['given up']), letGo.signal);
    await new Promise((resolve) => setImmediate(resolve));
    letGo.abort();
    await expect(given).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    await eventually(() => broker.admin.ensureTopics([{ topic, partitions: 1, retentionMs: -1, replicationFactor: 1 }]));
    await eventually(() => producer.append(topic, 0, batchOf(['after'])).then(() => true));
    expect(await values(topic)).toEqual(['after']);
  });

  it('begins the next epoch when the broker expects another sequence, and loses and doubles nothing', async () => {
    const topic = await broker.topic();
    const first = batchOf(['first']);
    await producer.append(topic, 0, first);
    const { producerId, producerEpoch, baseSequence } = decodeRecordBatch(first.bytes);
    await forge(topic, batchOf(['forged', 'forged', 'forged']), { producerId, producerEpoch, baseSequence: baseSequence + 1 });
    const second = batchOf(['second']);
    await producer.append(topic, 0, second);
    await producer.append(topic, 0, batchOf(['third']));
    expect(decodeRecordBatch(second.bytes)).toMatchObject({ producerId, producerEpoch: producerEpoch + 1, baseSequence: 0 });
    expect(await values(topic)).toEqual(['first', 'forged', 'forged', 'forged', 'second', 'third']);
  });

  it('takes another producer id when its own belongs to somebody newer', async () => {
    const topic = await broker.topic();
    const first = batchOf(['first']);
    await producer.append(topic, 0, first);
    const { producerId, producerEpoch } = decodeRecordBatch(first.bytes);
    await forge(topic, batchOf(['newer']), { producerId, producerEpoch: producerEpoch + 1, baseSequence: 0 });
    const second = batchOf(['second']);
    await producer.append(topic, 0, second);
    await producer.append(topic, 0, batchOf(['third']));
    expect(decodeRecordBatch(second.bytes).producerId).not.toBe(producerId);
    expect(await values(topic)).toEqual(['first', 'newer', 'second', 'third']);
  });

  it('goes on without a restart when its topic was deleted and made again', async () => {
    const declaration = broker.declaration();
    await broker.admin.ensureTopics([declaration]);
    for (const value of ['0', '1', '2']) await producer.append(declaration.topic, 0, batchOf([value]));
    await broker.admin.deleteTopics([declaration.topic]);
    await eventually(() => broker.admin.ensureTopics([declaration]));
    for (const value of ['3', '4']) await producer.append(declaration.topic, 0, batchOf([value]));
    expect(await values(declaration.topic)).toEqual(['3', '4']);
  });

  it('sees partitions that were added, when its metadata has aged and as soon as one of them is used', async () => {
    const declaration = broker.declaration(1);
    await broker.admin.ensureTopics([declaration]);
    expect(await producer.partitionCount(declaration.topic)).toBe(1);
    await broker.admin.ensureTopics([{ ...declaration, partitions: 3 }]);
    await producer.append(declaration.topic, 2, batchOf(['x']));
    await eventually(async () => expect(await producer.partitionCount(declaration.topic)).toBe(3));
    // Asked again or not at all, but never remembered for longer than its age.
    await eventually(() => expect(producer.knownPartitionCount(declaration.topic)).toBeUndefined());
  });

  it('refuses a record that the topic does not take as RECORD_REJECTED, and goes on', async () => {
    const topic = await broker.topic(1, { config: { 'cleanup.policy': 'compact' } });
    await expect(producer.append(topic, 0, recordBatchOf([{ key: null, value: utf8('no key') }]))).rejects.toMatchObject({
      code: 'RECORD_REJECTED',
    });
    await producer.append(topic, 0, batchOf(['with a key']));
    expect(await values(topic)).toEqual(['with a key']);
  });

  it('blames the configuration when a clock is ahead of what the topic takes: the record itself may pass later', async () => {
    const taking = (ms: number) => ({ config: { 'message.timestamp.after.max.ms': String(ms) } });
    const topic = await broker.topic(1, taking(3_600_000));
    const ahead = recordBatchOf([{ key: utf8('k'), value: utf8('ahead') }], Date.now() + 2 * 3_600_000);
    await expect(producer.append(topic, 0, ahead)).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringContaining('INVALID_TIMESTAMP') as unknown,
    });
    await broker.admin.ensureTopics([{ ...broker.declaration(1), topic, ...taking(86_400_000) }]);
    await eventually(() => producer.append(topic, 0, ahead).then(() => true));
    expect(await values(topic)).toEqual(['ahead']);
  });

  it.skipIf(!existsSync(JARS))("writes batches that Kafka's own console consumer reads", async () => {
    const topic = await broker.topic(1, KEEPS_OLD_RECORDS);
    const headers = [['event-type', utf8('image.uploaded.v1')] as const, ['none', null] as const];
    await producer.append(
      topic,
      0,
      recordBatchOf([
        { key: utf8('k1'), value: utf8('사용자'), headers, timestampMs: 1_700_000_000_123 },
        { key: null, value: utf8('v2'), timestampMs: 1_700_000_000_000 },
      ]),
    );
    const printed = await runTool({
      command: commandOf('java'),
      args: [
        ...['-Xmx128m', '-XX:TieredStopAtLevel=1', '-Dfile.encoding=UTF-8', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'],
        ...['-cp', join(JARS, '*'), 'org.apache.kafka.tools.consumer.ConsoleConsumer', '--bootstrap-server', services().kafkaBrokers],
        ...['--topic', topic, '--partition', '0', '--offset', 'earliest', '--max-messages', '2', '--timeout-ms', '40000'],
        ...['timestamp', 'key', 'headers'].flatMap((part) => ['--formatter-property', `print.${part}=true`]),
      ],
      signal: AbortSignal.timeout(50_000),
      purpose: 'Reading with the console consumer',
      remedy: 'Look at its output.',
    });
    expect(printed).toContain('CreateTime:1700000000123\tevent-type:image.uploaded.v1,none:null\tk1\t사용자\n');
    expect(printed).toContain('CreateTime:1700000000000\tNO_HEADERS\tnull\tv2\n');
  });
});

function batchOf(of: readonly string[]): RecordBatch {
  return recordBatchOf(of.map((value) => ({ key: utf8('k'), value: utf8(value) })));
}
