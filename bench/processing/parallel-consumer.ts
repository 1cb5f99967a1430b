import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder, installed } from '../../stack/native/cache.ts';
import { Maven } from '../../stack/native/maven.ts';
import { commandOf, requireTools } from '../../stack/native/toolchain.ts';
import { runTool } from '../../stack/run-tool.ts';
import { peakMemoryMb } from '../process-usage.ts';
import type { ConsumerRun, HandlerOrder } from './consumer-run.ts';
import type { PassOutcome } from './pass.ts';

const VERSION = '0.5.3.3';
const SOURCE = fileURLToPath(new URL('./java/ParallelConsumerSide.java', import.meta.url));

/** Confluent's Parallel Consumer and our class that uses it, compiled; kept in the cache of the local stack. */
export async function installParallelConsumer(signal: AbortSignal): Promise<string> {
  await requireTools(['mvn', 'java', 'javac']);
  const fingerprint = createHash('sha256').update(readFileSync(SOURCE)).digest('hex').slice(0, 8);
  const cache = cacheFolder();
  return installed(cache, {
    name: `parallel-consumer-${VERSION}-${fingerprint}`,
    signal,
    onWait: () => undefined,
    fill: async (folder) => {
      const lib = join(folder, 'lib');
      await new Maven(cache, signal).copyWithDependencies(
        [
          `io.confluent.parallelconsumer:parallel-consumer-core:${VERSION}`,
          // Without it the newer one that the library brings finds no binding.
          'org.slf4j:slf4j-api:1.7.36',
          'org.slf4j:slf4j-simple:1.7.36',
        ],
        lib,
      );
      await runTool({
        command: commandOf('javac'),
        args: ['-nowarn', '-proc:none', '--release', '17', '-cp', join(lib, '*'), '-d', join(folder, 'classes'), SOURCE],
        signal,
        purpose: 'Compiling ParallelConsumerSide.java',
        remedy: 'This is a fault of the benchmark; leave the side out with --side.',
      });
    },
  });
}

/** Runs the passes in one JVM, which is warm for the later ones. */
export async function runParallelConsumer(home: string, order: HandlerOrder): Promise<ConsumerRun> {
  const { brokers, topic, topicRecords, keys, handlerMs, concurrency, passes } = order;
  const child = spawn(
    commandOf('java'),
    [
      ...['-Xms256m', '-Xmx1g', '-XX:+UseG1GC', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'],
      ...['-cp', `${join(home, 'classes')}:${join(home, 'lib')}/*`, 'millrace.bench.ParallelConsumerSide'],
      ...[brokers.join(','), topic, ...[topicRecords, keys, handlerMs, concurrency].map(String)],
      ...passes.flatMap(({ group, records }) => [group, String(records)]),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let lines = '';
  let words = '';
  let memoryMb = NaN;
  const outcomes = (): PassOutcome[] =>
    lines
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as PassOutcome);
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    lines += text;
    // After the last line nobody can ask any more.
    if (child.pid !== undefined && child.exitCode === null) memoryMb = peakMemoryMb(child.pid);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(-4_000)));
  const kill = (): void => void child.kill('SIGKILL');
  order.signal.addEventListener('abort', kill, { once: true });
  const timer = setTimeout(kill, order.withinMs);
  try {
    await once(child, 'close');
  } finally {
    clearTimeout(timer);
    order.signal.removeEventListener('abort', kill);
  }
  if (child.exitCode !== 0 || outcomes().length !== passes.length) throw new Error(`Parallel Consumer has ended: ${words}`);
  return { outcomes: outcomes(), memoryMb };
}
