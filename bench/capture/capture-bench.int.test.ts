import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundlePrograms } from '../../bundle.ts';
import type { BrokerAdmin, BrokerDriver } from '../../core/broker.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { cloneFolder } from '../../stack/data-folder.ts';
import { services } from '../../test/support/services.ts';
import { temporaryDatabases } from '../../test/support/temporary-databases.ts';
import type { Capture } from './capture.ts';
import { measureCatchUp } from './catch-up.ts';
import { Lanes, type Lane } from './lane.ts';
import { OutboxWriter } from './outbox-table.ts';
import { RELAY_PROGRAM, relaySide } from './relay-side.ts';
import { LoadedLane } from './steady-load.ts';
import { verifyTopic } from './verify.ts';

/** Enough that the time between two looks holds several ticks of the clock by which CPU is counted (10 ms). */
const ROWS = 60_000;

const databases = temporaryDatabases('bench');
let folder: string;
let driver: BrokerDriver;
let admin: BrokerAdmin;
let writer: OutboxWriter;
let lanes: Lanes;
let relay: Capture;
let lane: Lane | undefined;

beforeAll(async () => {
  // Inside the clone: the bundled program looks for the rest of its libraries there.
  await mkdir(join(cloneFolder(), '.millrace'), { recursive: true });
  folder = await mkdtemp(join(cloneFolder(), '.millrace', 'bench-'));
  const { postgresUrl, kafkaBrokers, registryUrl } = services();
  const servers = { postgresUrl, kafkaBrokers: kafkaBrokers.split(','), registryUrl };
  await bundlePrograms({ programs: { relay: RELAY_PROGRAM }, folder });
  driver = createKafkaJsDriver({ brokers: servers.kafkaBrokers, clientId: 'test-bench', logger: SILENT_LOGGER });
  admin = driver.admin();
  writer = await OutboxWriter.create(postgresUrl, `${databases.namespace}_outbox`);
  lanes = new Lanes(admin, writer.url, databases.namespace);
  relay = relaySide({ servers, databaseUrl: writer.url, program: join(folder, 'relay.js'), wire: 'json' });
}, 60_000);
afterAll(async () => {
  if (lane !== undefined) await lanes.close(lane);
  await databases.dropAll();
  await admin.stop();
  await rm(folder, { recursive: true, force: true });
});

test('a catch-up brings exactly the written rows to Kafka, in order, and yields figures that can be', async () => {
  lane = await lanes.open('image');
  const first = await writer.write('image', ROWS, 100);
  const measured = await measureCatchUp(relay, lane, ROWS, { admin, writer });
  expect(measured.rowsPerSecond).toBeGreaterThan(0);
  expect(measured.cpuMicrosPerEvent).toBeGreaterThan(0);
  expect(measured.peakMemoryMb).toBeGreaterThan(20);
  expect(measured.firstEventMs).toBeGreaterThan(0);
  for (const share of [measured.captureBusy, measured.walsenderBusy]) expect(share).toBeLessThan(400);
  expect(await verifyTopic(driver, lane.topic, { first, rows: ROWS })).toBe(0);
  await lanes.close(lane);
  lane = undefined;
});

test('a steady load yields both latencies of every row, the append before the arrival and neither before the commit', async () => {
  lane = await lanes.open('image', true);
  const loaded = await LoadedLane.open(relay, lane, { admin, driver, writer });
  const { append, consumer } = await loaded.steady(200, 2).finally(() => loaded.close());
  // The broker's clock tells whole milliseconds.
  expect(append.p50).toBeGreaterThan(-0.5);
  expect(append.p99).toBeGreaterThanOrEqual(append.p50);
  expect(consumer.p50).toBeGreaterThan(0);
  for (const name of ['p50', 'p99', 'p999'] as const) expect(append[name]).toBeLessThan(consumer[name] + 1);
  await lanes.close(lane);
  lane = undefined;
});
