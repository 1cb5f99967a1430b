import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cloneFolder } from './data-folder.ts';
import { givenByEnvironment, type StackEndpoints } from './endpoints.ts';
import { identify, isRunning, type ProcessIdentity } from './process-identity.ts';
import type { StackEvent } from './progress.ts';
import { stackReset, stackUp } from './stack.ts';

/** Servers for tests: on ports and data of their own, gone without a trace after `stop`. */
export interface TestStack {
  readonly endpoints: StackEndpoints;
  stop(): Promise<void>;
}

const PREFIX = 'MILLRACE_TEST_';

/**
 * Starts a stack for tests. Servers named by MILLRACE_TEST_POSTGRES_URL and its siblings are used instead, and never those
 * of the normal variables: a test must not find its way into real data. Stacks whose test run died are removed first.
 */
export async function startTestStack(signal: AbortSignal, progress: (event: StackEvent) => void): Promise<TestStack> {
  const parent = join(cloneFolder(), '.millrace');
  await removeOrphans(parent);
  const dataFolder = join(parent, `test-${randomBytes(4).toString('hex')}`);
  await mkdir(dataFolder, { recursive: true });
  await writeFile(ownerFile(dataFolder), JSON.stringify(identify(process.pid)));
  const stop = () => removeTestStack(dataFolder);
  try {
    const endpoints = await stackUp({ dataFolder, signal, progress, given: givenByEnvironment(process.env, PREFIX) });
    return { endpoints, stop };
  } catch (error) {
    await stop();
    throw error;
  }
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

async function removeTestStack(dataFolder: string): Promise<void> {
  if (existsSync(join(dataFolder, 'run'))) await stackReset({ dataFolder });
  await rm(dataFolder, { recursive: true, force: true });
}

/** A test run that was killed leaves its servers behind; the next one removes them. */
async function removeOrphans(parent: string): Promise<void> {
  if (!existsSync(parent)) return;
  for (const name of await readdir(parent)) {
    const folder = join(parent, name);
    if (!name.startsWith('test-') || !existsSync(ownerFile(folder))) continue;
    const owner = JSON.parse(await readFile(ownerFile(folder), 'utf8')) as ProcessIdentity;
    if (!isRunning(owner)) await removeTestStack(folder);
  }
}

function ownerFile(dataFolder: string): string {
  return join(dataFolder, 'owner.json');
}
