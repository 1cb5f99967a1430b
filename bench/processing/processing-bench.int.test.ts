import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SILENT_LOGGER } from '../../core/log.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { cloneFolder } from '../../stack/data-folder.ts';
import { services } from '../../test/support/services.ts';
import { temporaryDatabases } from '../../test/support/temporary-databases.ts';
import type { Figure } from '../figures.ts';
import { processingBook } from './figures.ts';
import { QUICK_PLAN, type Plan } from './plan.ts';
import { measureAll, MEASUREMENTS } from './run-processing.ts';

const TINY: Plan = {
  ...QUICK_PLAN,
  records: 3_000,
  warmUpRecords: 1_000,
  keys: 300,
  slowRecords: 200,
  stepSeconds: 1,
  nextSeconds: 1,
  idleGroups: 2,
  idleSeconds: 2,
  soakSeconds: 2,
  soakRate: 500,
};
/** Those that need nothing but Node. */
const SIDES = ['millrace', 'lanes', 'each-message'] as const;

const databases = temporaryDatabases('procbench');
let dataFolder: string;

beforeAll(async () => {
  // Inside the clone: the compiled programs look for their libraries there.
  await mkdir(join(cloneFolder(), '.millrace'), { recursive: true });
  dataFolder = await mkdtemp(join(cloneFolder(), '.millrace', 'bench-'));
});

afterAll(async () => {
  await databases.dropAll();
  const admin = createKafkaJsDriver({ brokers: services().kafkaBrokers.split(','), clientId: 'test-bench', logger: SILENT_LOGGER }).admin();
  await admin.deleteTopics((await admin.listTopics()).filter((topic) => topic.startsWith(databases.namespace)));
  await admin.stop();
  await rm(dataFolder, { recursive: true, force: true });
});

test('every measurement is made and yields figures that can be', { timeout: 150_000 }, async () => {
  const book = processingBook();
  const { postgresUrl, kafkaBrokers, registryUrl } = services();
  const { failures } = await measureAll(
    {
      namespace: databases.namespace,
      plan: TINY,
      sides: SIDES,
      only: MEASUREMENTS,
      profile: false,
      signal: new AbortController().signal,
      say: () => undefined,
    },
    { postgresUrl, kafkaBrokers: kafkaBrokers.split(','), registryUrl, dataFolder },
    book,
  );
  expect(failures).toEqual([]);
  const figures = book.figures();
  const of = (figure: string, variant = 'millrace'): number =>
    figures.find((each) => each.figure === figure && each.variant === variant)!.median;
  for (const concurrency of [200, 1_000]) {
    for (const side of ['millrace', 'lanes']) {
      expect(of(`handler-${concurrency}.rate`, side)).toBeGreaterThan(0);
      expect(of(`handler-${concurrency}.violations`, side)).toBe(0);
      expect(of(`handler-${concurrency}.repeats`, side)).toBe(0);
    }
    expect(of(`handler-${concurrency}.commits`)).toBeGreaterThan(0);
  }
  expect(of('handler-12.rate', 'each-message')).toBeGreaterThan(0);
  expect(of('step.single')).toBeGreaterThan(0);
  expect(of('step.reactions')).toBeGreaterThan(0);
  expect(of('next.done.p50')).toBeGreaterThan(of('next.begins.p50'));
  expect(of('idle.cpu')).toBeLessThan(100);
  expect(of('soak.dead-lettered')).toBe(100);
  expect(figures.filter((figure: Figure) => figure.median < 0 && !figure.figure.startsWith('soak.'))).toEqual([]);
});
