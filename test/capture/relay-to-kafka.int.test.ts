import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createRelay } from '../../connectors/outbox/relay.ts';
import type { BrokerAdmin, BrokerDriver, Consumer } from '../../core/broker.ts';
import { parseEnvelope } from '../../core/envelope.ts';
import type { HealthSource, Service } from '../../core/lifecycle.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import type { BatchProducer } from '../../core/record-batch.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import { headerText, utf8Text } from '../../core/record.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import type { CaptureDatabase } from '../support/capture-database.ts';
import { captureDatabase } from '../support/capture-database.ts';
import { eventually } from '../support/eventually.ts';
import { JSON_PASS_THROUGH } from '../support/relay-under-test.ts';
import { services } from '../support/services.ts';
import { systemClock } from '../support/system-clock.ts';

const never = new AbortController().signal;
const soon = () => AbortSignal.timeout(20_000);

describe('from a committed row to a record in Kafka', () => {
  let driver: BrokerDriver;
  let admin: BrokerAdmin;
  let producer: BatchProducer;
  let database: CaptureDatabase;
  let consumer: Consumer;
  let relay: Service & HealthSource;
  let topic: string;
  let letters: string;
  let records: ConsumedRecord[];

  beforeAll(async () => {
    driver = createKafkaJsDriver({ brokers: services().kafkaBrokers.split(','), clientId: 'test-capture', logger: SILENT_LOGGER });
    admin = driver.admin();
    producer = driver.batchProducer({ clientId: 'test-capture' });
    await producer.start();
  });
  afterAll(async () => {
    await producer.stop();
    await admin.stop();
  });

  beforeEach(async () => {
    database = await captureDatabase('kafka');
    topic = database.names.eventTopic('image.registered');
    letters = database.names.captureDeadLetterTopic('image');
    const settings = { retentionMs: 3_600_000, replicationFactor: 1 };
    await admin.ensureTopics([
      { topic, partitions: 3, ...settings, config: { 'max.message.bytes': '20000' } },
      { topic: letters, partitions: 3, ...settings },
    ]);
    records = [];
    consumer = driver.consumer({ group: database.names.processorGroup('test'), topics: [topic, letters], from: 'earliest' });
    await consumer.start({
      onRecords: (_partition, batch) => records.push(...batch),
      onAssigned: () => undefined,
      onRevoking: async () => undefined,
      onLost: () => undefined,
      onFatal: () => undefined,
    });
    relay = createRelay({
      domain: 'image',
      connection: { url: database.url },
      names: database.names,
      routes: new Set(['image.registered']),
      producer,
      encoder: JSON_PASS_THROUGH,
      metrics: NO_METRICS,
      logger: SILENT_LOGGER,
      clock: systemClock,
    });
    await relay.start(never);
  }, 60_000);
  afterEach(async () => {
    await relay.stop(soon());
    await consumer.stop();
    await admin.deleteGroups([database.names.processorGroup('test')]);
    await admin.deleteTopics([topic, letters]);
    await database.drop();
  });

  const idsByKey = (): Map<string, string[]> => {
    const byKey = new Map<string, string[]>();
    for (const record of records) {
      if (record.topic !== topic) continue;
      const key = utf8Text(record.key!);
      byKey.set(key, [...(byKey.get(key) ?? []), parseEnvelope(record.headers, key).id]);
    }
    return byKey;
  };

  it('every row arrives once, in commit order per key, with a readable envelope', async () => {
    const expected = new Map<string, string[]>();
    const writers = await Promise.all([0, 1, 2].map(() => database.connect()));
    await Promise.all(
      writers.map(async (writer, index) => {
        for (let round = 0; round < 50; round += 1) {
          const key = `user-${index}-${round % 3}`;
          await writer.query('BEGIN');
          const id = await database.insert({ aggregateid: key, payload: `{"round": ${round}}` }, writer);
          const commit = round % 5 !== 0;
          await writer.query(commit ? 'COMMIT' : 'ROLLBACK');
          if (commit) expected.set(key, [...(expected.get(key) ?? []), id]);
        }
      }),
    );
    await eventually(() => records.length >= 120, { timeoutMs: 20_000 });
    await relay.stop(soon());
    expect(records).toHaveLength(120);
    expect(idsByKey()).toEqual(expected);
    const [row] = records;
    expect(Math.abs(row!.timestampMs - Date.now())).toBeLessThan(60_000);
    expect(headerText(row!.headers, 'content-type')).toBe('application/json');
  });

  it('a row that the topic refuses for its size is found among its neighbours and kept as a dead letter', async () => {
    const ids: string[] = [];
    await database.sql.query('BEGIN');
    for (let index = 0; index < 20; index += 1) {
      const filler = index === 13 ? 50_000 : 10;
      // Random text, so that no compression makes it fit.
      const { rows } = await database.sql.query<{ text: string }>(
        `SELECT string_agg(md5(random()::text), '') AS text FROM generate_series(1, $1::int)`,
        [Math.ceil(filler / 32)],
      );
      ids.push(await database.insert({ payload: JSON.stringify({ filler: rows[0]!.text }), aggregateid: `user-${index % 2}` }));
    }
    await database.sql.query('COMMIT');
    await eventually(() => new Set(records.map((record) => headerText(record.headers, 'id'))).size === ids.length, { timeoutMs: 20_000 });
    const dead = records.filter((record) => record.topic === letters);
    expect(dead.map((record) => headerText(record.headers, 'id'))).toEqual([ids[13]]);
    expect(headerText(dead[0]!.headers, 'dlt-error-code')).toBe('RECORD_TOO_LARGE');
    expect(dead[0]!.value!.length).toBeGreaterThan(50_000);
    for (const [key, found] of idsByKey()) {
      const order = ids.filter((_, index) => `user-${index % 2}` === key && index !== 13);
      expect([...new Set(found)]).toEqual(order);
    }
  });
});
