import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cloneFolder } from './data-folder.ts';
import { givenByEnvironment, type StackEndpoints } from './endpoints.ts';
import { withLock } from './lock.ts';
import { identify, isRunning, type ProcessIdentity } from './process-identity.ts';
import type { StackEvent } from './progress.ts';
import { stackReset, stackUp } from './stack.ts';

/** Servers for tests: on ports and data of their own, gone without a trace after `stop`. */
export interface TestStack {
  readonly endpoints: StackEndpoints;
  /** What is started there later is stopped and deleted with the rest. */
  readonly dataFolder: string;
  stop(): Promise<void>;
}

const PREFIX = 'MILLRACE_TEST_';

/** Where the folders of test stacks are. */
const PARENT = join(cloneFolder(), '.millrace');

/**
 * Starts a stack for tests. Servers named by MILLRACE_TEST_POSTGRES_URL and its siblings are used instead, and never those
 * of the normal variables: a test must not find its way into real data.
 */
export async function startTestStack(signal: AbortSignal, progress: (event: StackEvent) => void): Promise<TestStack> {
  await removeOrphans();
  const dataFolder = await testDataFolder();
  const stop = () => removeTestStack(dataFolder);
  try {
    const endpoints = await stackUp({ dataFolder, signal, progress, given: givenByEnvironment(process.env, PREFIX) });
    return { endpoints, dataFolder, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** An empty data folder that belongs to this process: whatever runs in it is removed after the process has died. */
export async function testDataFolder(): Promise<string> {
  const folder = join(PARENT, `test-${randomBytes(4).toString('hex')}`);
  await mkdir(folder, { recursive: true });
  await writeFile(ownerFile(folder), JSON.stringify(identify(process.pid)));
  return folder;
}

/** Stops and deletes what runs in a test's data folder, and the folder. */
export async function removeTestStack(dataFolder: string): Promise<void> {
  if (existsSync(join(dataFolder, 'run'))) await stackReset({ dataFolder });
  await rm(dataFolder, { recursive: true, force: true });
}

/** Removes the test stacks of processes that have died without doing so. */
export async function removeOrphans(): Promise<void> {
  await withLock(join(PARENT, 'orphans.lock'), {}, async () => {
    for (const name of await readdir(PARENT)) {
      const folder = join(PARENT, name);
      if (!name.startsWith('test-') || !existsSync(ownerFile(folder))) continue;
      const owner = JSON.parse(await readFile(ownerFile(folder), 'utf8')) as ProcessIdentity;
      if (!isRunning(owner)) await removeTestStack(folder);
    }
  });
}

/** The environment by which a test run finds its servers. */
export function testEnvironment(endpoints: StackEndpoints): Record<string, string> {
  return {
    [`${PREFIX}POSTGRES_URL`]: endpoints.postgresUrl,
    [`${PREFIX}KAFKA_BROKERS`]: endpoints.kafkaBrokers,
    [`${PREFIX}SCHEMA_REGISTRY_URL`]: endpoints.registryUrl,
    [`${PREFIX}REDIS_URL`]: endpoints.redisUrl,
    [`${PREFIX}ELASTICSEARCH_URL`]: endpoints.elasticsearchUrl,
  };
}

function ownerFile(dataFolder: string): string {
  return join(dataFolder, 'owner.json');
}
