import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { homeOf, STOP_JVM, type NativePart, type PartContext, type Recipe } from './native-part.ts';
import { runTool } from '../run-tool.ts';
import { commandOf } from './toolchain.ts';

const KAFKA_VERSION = '4.3.1';

/** Broker, Connect and the command line tools run from the same jars. */
export const kafkaJars: Recipe = {
  name: `kafka-${KAFKA_VERSION}`,
  tools: ['mvn'],
  fill: (folder, { maven }) =>
    maven.copyWithDependencies(
      [`org.apache.kafka:kafka_2.13:${KAFKA_VERSION}`, `org.apache.kafka:kafka-tools:${KAFKA_VERSION}`, 'org.slf4j:slf4j-simple:1.7.36'],
      folder,
    ),
};

/** One node that is broker and controller; topics are made by `apply`, never by accident. */
export const kafka: NativePart = {
  part: 'kafka',
  needs: [],
  tools: ['java'],
  recipes: [kafkaJars],
  stopSteps: STOP_JVM,

  address: (ports) => `127.0.0.1:${ports.kafka}`,

  async prepare(context) {
    await mkdir(context.folder, { recursive: true });
    const settings = join(context.folder, 'server.properties');
    await writeFile(settings, properties(brokerSettings(context)));
    await formatOnce(context, settings);
    return {
      command: commandOf('java'),
      args: [
        '-Xms256m',
        '-Xmx512m',
        '-XX:+UseG1GC',
        ...logging('kafka.server.KafkaRaftServer'),
        ...classPath(context),
        'kafka.Kafka',
        settings,
      ],
      cwd: context.folder,
    };
  },
};

/** Warnings of everything and the information of one logger, with times, on standard error. */
export function logging(talkative: string): readonly string[] {
  const option = '-Dorg.slf4j.simpleLogger';
  return [`${option}.defaultLogLevel=warn`, `${option}.log.${talkative}=info`, `${option}.showDateTime=true`];
}

export function properties(settings: Readonly<Record<string, string | number>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${String(value).replaceAll('\\', '\\\\')}\n`)
    .join('');
}

/**
 * Formatting happens before the first start; the marker is written last, and formatting twice is harmless. The id is one word
 * with its option: one of sixty-four random ids begins with a dash.
 */
async function formatOnce(context: PartContext, settings: string): Promise<void> {
  const marker = join(context.folder, 'formatted');
  if (existsSync(marker)) return;
  await runTool({
    command: commandOf('java'),
    args: [
      ...['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', ...logging('kafka.tools'), ...classPath(context)],
      ...['kafka.tools.StorageTool', 'format', '--ignore-formatted', `--cluster-id=${context.kafkaClusterId}`, '-c', settings],
    ],
    signal: context.signal,
    purpose: "Formatting Kafka's storage",
    remedy: 'Look at the free disk space, then start again.',
  });
  await writeFile(marker, '');
}

function classPath(context: PartContext): readonly string[] {
  return ['-cp', join(homeOf(context, 0), '*')];
}

function brokerSettings({ folder, ports }: PartContext): Record<string, string | number> {
  const client = `PLAINTEXT://127.0.0.1:${ports.kafka}`;
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${ports.kafkaController}`,
    listeners: `${client},CONTROLLER://127.0.0.1:${ports.kafkaController}`,
    'advertised.listeners': client,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(folder, 'data'),
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'share.coordinator.state.topic.num.partitions': 1,
    'group.initial.rebalance.delay.ms': 0,
    // The defaults are for machines that do nothing else.
    'log.cleaner.dedupe.buffer.size': 16_777_216,
    'log.segment.bytes': 134_217_728,
  };
}
