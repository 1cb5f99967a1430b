import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { cacheFolder } from '../../stack/native/cache.ts';
import { kafkaJars, properties } from '../../stack/native/kafka.ts';
import { commandOf } from '../../stack/native/toolchain.ts';
import { freePorts } from '../../stack/ports.ts';
import { runTool } from '../../stack/run-tool.ts';
import { stackUp } from '../../stack/stack.ts';
import { removeTestStack, testDataFolder } from '../../stack/test-stack.ts';
import { eventually } from './eventually.ts';

/** A cluster of two: the stack's node (1), which is the controller too, and a broker beside it (2) that a test may kill. */
export interface SeveralBrokers {
  readonly addresses: readonly string[];
  killSecond(): Promise<void>;
  startSecond(): Promise<void>;
  remove(): Promise<void>;
}

const FIRST_SETTINGS_KEPT = /^(?!node\.id|process\.roles|listeners|advertised\.listeners|log\.dirs)(.+)$/gm;

export async function startSeveralBrokers(): Promise<SeveralBrokers> {
  const dataFolder = await testDataFolder();
  let second: ChildProcess | undefined;
  const killSecond = async (): Promise<void> => {
    const child = second;
    second = undefined;
    if (child === undefined) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  const remove = async (): Promise<void> => {
    await killSecond();
    await removeTestStack(dataFolder);
  };
  try {
    const { kafkaBrokers } = await stackUp({ dataFolder, parts: ['kafka'], flavour: 'native', given: {} });
    const [port] = await freePorts(1);
    const address = `127.0.0.1:${port}`;
    const settings = await secondSettings(dataFolder, address);
    const startSecond = async (): Promise<void> => {
      second = spawn(commandOf('java'), ['-Xms128m', '-Xmx256m', '-XX:+UseSerialGC', ...classPath(), 'kafka.Kafka', settings], {
        stdio: 'ignore',
      });
      await eventually(async () => accepts(port ?? 0), { timeoutMs: 90_000, everyMs: 100 });
    };
    await startSecond();
    return { addresses: [kafkaBrokers, address], killSecond, startSecond, remove };
  } catch (thrown) {
    await remove();
    throw thrown;
  }
}

/** Like the first one's, but for what makes it another node. */
async function secondSettings(dataFolder: string, address: string): Promise<string> {
  const folder = join(dataFolder, 'kafka', 'second');
  await mkdir(folder, { recursive: true });
  const first = await readFile(join(dataFolder, 'kafka', 'server.properties'), 'utf8');
  const clusterId = /"kafkaClusterId": "([^"]+)"/.exec(await readFile(join(dataFolder, 'stack.json'), 'utf8'))?.[1];
  const own = properties({
    'node.id': 2,
    'process.roles': 'broker',
    listeners: `PLAINTEXT://${address}`,
    'advertised.listeners': `PLAINTEXT://${address}`,
    'log.dirs': join(folder, 'data'),
  });
  const settings = join(folder, 'server.properties');
  await writeFile(settings, `${(first.match(FIRST_SETTINGS_KEPT) ?? []).join('\n')}\n${own}`);
  await runTool({
    command: commandOf('java'),
    args: [
      '-Xmx128m',
      '-XX:+UseSerialGC',
      ...classPath(),
      'kafka.tools.StorageTool',
      'format',
      `--cluster-id=${clusterId}`,
      '-c',
      settings,
    ],
    signal: AbortSignal.timeout(60_000),
    purpose: "Formatting the second broker's storage",
    remedy: 'Look at the free disk space.',
  });
  return settings;
}

function classPath(): readonly string[] {
  return ['-cp', join(cacheFolder(), kafkaJars.name, '*')];
}

async function accepts(port: number): Promise<boolean> {
  const socket = createConnection(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } finally {
    socket.destroy();
  }
}
