import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RELAY_FAILPOINTS } from '../../connectors/outbox/failpoint.ts';
import { createRelay } from '../../connectors/outbox/relay.ts';
import { readSlot } from '../../connectors/replication/slot.ts';
import type { BrokerAdmin, BrokerDriver, Producer } from '../../core/broker.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { parseLsn } from '../../core/lsn.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { headerText, utf8Text } from '../../core/record.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import type { CaptureDatabase } from '../support/capture-database.ts';
import { captureDatabase } from '../support/capture-database.ts';
import { eventually } from '../support/eventually.ts';
import { JSON_PASS_THROUGH } from '../support/relay-under-test.ts';
import { services } from '../support/services.ts';
import { systemClock } from '../support/system-clock.ts';
import type { KilledRelay } from './killed-relay.ts';

const PROGRAM = fileURLToPath(new URL('killed-relay.ts', import.meta.url));
const KEYS = 3;
const ROWS = 60;

describe('a relay that is killed', () => {
  let driver: BrokerDriver;
  let admin: BrokerAdmin;
  let producer: Producer;
  const brokers = services().kafkaBrokers.split(',');

  beforeAll(async () => {
    driver = createKafkaJsDriver({ brokers, clientId: 'test-killed', logger: SILENT_LOGGER });
    admin = driver.admin();
    producer = driver.producer({ clientId: 'test-killed' });
    await producer.start();
  });
  afterAll(async () => {
    await producer.stop();
    await admin.stop();
  });

  it.each(RELAY_FAILPOINTS.flatMap((dieAt) => (dieAt.startsWith('stop-') ? [1] : [1, 3]).map((onVisit) => ({ dieAt, onVisit }))))(
    'at $dieAt, visit $onVisit, has lost nothing and mixed up no key',
    async ({ dieAt, onVisit }) => {
      const database = await captureDatabase('killed');
      const topic = database.names.eventTopic('image.registered');
      try {
        await admin.ensureTopics([{ topic, partitions: KEYS, retentionMs: 3_600_000, replicationFactor: 1 }]);
        const ids = await insertRows(database);
        await dies({ url: database.url, namespace: database.names.namespace, brokers, dieAt, onVisit });
        const confirmed = parseLsn(await database.confirmedFlushLsn());
        const dead = await readTopic(driver, database, topic, 'dead');
        const early = (await database.commits()).filter((row) => row.commitLsn < confirmed && !dead.ids.includes(row.id));
        expect(early).toEqual([]);

        await finish(database, producer);
        const all = await readTopic(driver, database, topic, 'all');
        expect(new Set(all.ids).size).toBe(ids.length);
        for (let key = 0; key < KEYS; key += 1) {
          const firsts = [...new Set(all.byKey.get(`user-${key}`))];
          expect(firsts).toEqual(ids.filter((_, index) => index % KEYS === key));
        }
        // What was sent and not confirmed comes again: at most the batches between two status messages.
        expect(all.ids.length - ids.length).toBeLessThan(ROWS);
      } finally {
        await admin.deleteTopics([topic]);
        await database.drop();
      }
    },
    60_000,
  );
});

/** In transactions of 1, 2, 3 … rows, so that batches end inside of transactions. */
async function insertRows(database: CaptureDatabase): Promise<string[]> {
  const ids: string[] = [];
  for (let size = 1; ids.length < ROWS; size += 1) {
    await database.sql.query('BEGIN');
    for (let index = 0; index < size && ids.length < ROWS; index += 1) {
      ids.push(await database.insert({ aggregateid: `user-${ids.length % KEYS}` }));
    }
    await database.sql.query('COMMIT');
  }
  return ids;
}

async function dies(task: KilledRelay): Promise<void> {
  const child = spawn(process.execPath, ['--import', 'tsx', PROGRAM, JSON.stringify(task)], { stdio: 'inherit' });
  const guard = setTimeout(() => child.kill('SIGTERM'), 30_000);
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  clearTimeout(guard);
  expect(signal).toBe('SIGKILL');
}

/** A relay that lives until the slot has nothing left. */
async function finish(database: CaptureDatabase, producer: Producer): Promise<void> {
  const relay = createRelay({
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
  await relay.start(new AbortController().signal);
  try {
    const end = (await database.commits()).at(-1)!.endLsn;
    await eventually(
      async () => {
        const slot = await readSlot(database.sql, database.names.slot('image'));
        return slot!.confirmedFlushLsn! >= end;
      },
      { timeoutMs: 20_000 },
    );
  } finally {
    await relay.stop(AbortSignal.timeout(10_000));
  }
}

/** Everything that the topic holds now. */
async function readTopic(driver: BrokerDriver, database: CaptureDatabase, topic: string, label: string) {
  const admin = driver.admin();
  const group = database.names.processorGroup(label);
  const consumer = driver.consumer({ group, topics: [topic], from: 'earliest' });
  const ids: string[] = [];
  const byKey = new Map<string, string[]>();
  try {
    const total = (await admin.offsets([topic])).reduce((sum, partition) => sum + Number(partition.end), 0);
    await consumer.start({
      onRecords: (_partition, records) => {
        for (const record of records) {
          const id = headerText(record.headers, 'id') ?? '';
          const key = utf8Text(record.key!);
          ids.push(id);
          byKey.set(key, [...(byKey.get(key) ?? []), id]);
        }
      },
      onAssigned: () => undefined,
      onRevoking: async () => undefined,
      onLost: () => undefined,
      onFatal: () => undefined,
    });
    await eventually(() => ids.length >= total);
    return { ids, byKey };
  } finally {
    await consumer.stop();
    await admin.deleteGroups([group]);
    await admin.stop();
  }
}
