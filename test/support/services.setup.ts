import type { TestProject } from 'vitest/node';
import { progressOn } from '../../stack/progress.ts';
import { startTestStack, type TestStack } from '../../stack/test-stack.ts';
import { connectStateOf, removeConnectState } from './connect-leftovers.ts';

/** One stack for all projects of a run: vitest loads this file once for each of them. */
interface Shared {
  stack: Promise<TestStack>;
  users: number;
}

const here = globalThis as { millraceTestStack?: Shared | undefined };

/** Provides servers to the tests: those that MILLRACE_TEST_* name, and a stack of its own for those that they do not. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const shared = (here.millraceTestStack ??= { stack: start(), users: 0 });
  shared.users++;
  const { endpoints, dataFolder } = await shared.stack;
  project.provide('services', {
    postgresUrl: endpoints.postgresUrl,
    kafkaBrokers: endpoints.kafkaBrokers,
    registryUrl: endpoints.registryUrl,
    redisUrl: endpoints.redisUrl,
    elasticsearchUrl: endpoints.elasticsearchUrl,
    dataFolder,
  });
  return async () => {
    if (--shared.users > 0) return;
    here.millraceTestStack = undefined;
    const connect = await connectStateOf(dataFolder);
    await (await shared.stack).stop();
    // A Kafka that was given stays, and with it what a Connect of this run left there.
    if (connect !== undefined && process.env['MILLRACE_TEST_KAFKA_BROKERS'] !== undefined) {
      await removeConnectState(endpoints.kafkaBrokers, connect);
    }
  };
}

async function start(): Promise<TestStack> {
  const progress = progressOn(process.stderr);
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new Error('interrupted'));
  process.once('SIGINT', interrupt);
  try {
    return await startTestStack(interrupted.signal, (event) => event.step === 'given' || progress.report(event));
  } finally {
    process.off('SIGINT', interrupt);
    progress.close();
  }
}
