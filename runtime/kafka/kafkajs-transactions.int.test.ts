import type { Producer as KafkaProducer } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { ConsumedRecord, TopicPartition } from '../../core/record.ts';
import type { Offset } from '../../core/offset.ts';
import { BrokerUnderTest } from '../../test/conformance/broker-under-test.ts';
import { eventually } from '../../test/support/eventually.ts';
import { services, uniqueNamespace } from '../../test/support/services.ts';
import { createKafkaJsClient } from './kafkajs-client.ts';
import { createKafkaJsDriver } from './kafkajs-driver.ts';

const settings = { brokers: services().kafkaBrokers.split(','), clientId: 'transactions', logger: SILENT_LOGGER };
const namespace = uniqueNamespace('transactions');

let broker: BrokerUnderTest;
/** Somebody else's: we write no transactions. */
let writer: KafkaProducer;

beforeAll(async () => {
  broker = new BrokerUnderTest(createKafkaJsDriver(settings), namespace);
  writer = createKafkaJsClient(settings).producer({ transactionalId: namespace, idempotent: true, maxInFlightRequests: 1 });
  await writer.connect();
});
afterAll(async () => {
  await writer.disconnect();
  await broker.close();
});

async function transaction(topic: string, values: readonly string[], end: 'commit' | 'abort'): Promise<void> {
  const open = await writer.transaction();
  await open.send({ topic, messages: values.map((value) => ({ value, partition: 0 })) });
  await open[end]();
}

it('the end of a log that ends with the marker of a transaction, or with one that was aborted, is told', async () => {
  const topic = await broker.topic(1);
  const told: { readonly next: Offset; readonly end: Offset }[] = [];
  const reader = broker.reader(
    { group: broker.group(), topics: [topic] },
    {
      onRecords: (_partition: TopicPartition, _records: readonly ConsumedRecord[], end: Offset, next: Offset) => told.push({ next, end }),
    },
  );
  await reader.start();
  await transaction(topic, ['0', '1'], 'commit');
  await eventually(() => expect(told.at(-1)).toEqual({ next: 3n, end: 3n }), { timeoutMs: 20_000 });
  await transaction(topic, ['3', '4'], 'abort');
  await eventually(() => expect(told.at(-1)).toEqual({ next: 6n, end: 6n }), { timeoutMs: 20_000 });
  await transaction(topic, ['6'], 'commit');
  await reader.untilRead(3);
  expect(reader.records.map(({ offset }) => offset)).toEqual([0n, 1n, 6n]);
  // Who looks what a log holds (a repair) must not take what was given up for published.
  const log = createKafkaJsDriver(settings).logReader();
  try {
    const { records } = await log.read({ topic, partition: 0 }, 0n as Offset);
    expect(records.map(({ offset }) => offset)).toEqual([0n, 1n, 6n]);
  } finally {
    await log.stop();
  }
});
