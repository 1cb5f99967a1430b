import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kafkaJars, logging, properties } from './kafka.ts';
import { homeOf, STOP_JVM, type NativePart, type PartContext, type Recipe } from './native-part.ts';
import { runTool } from '../run-tool.ts';
import { commandOf } from './toolchain.ts';

const VERSION = '3.7.0.Final';

const plugin: Recipe = {
  name: `debezium-postgres-${VERSION}`,
  tools: ['mvn', 'tar'],
  async fill(folder, { maven, signal }) {
    const download = join(folder, 'download');
    const archive = await maven.copyArchive(`io.debezium:debezium-connector-postgres:${VERSION}`, download, 'tar.gz', 'plugin');
    await runTool({
      command: commandOf('tar'),
      args: ['xzf', archive, '-C', folder],
      signal,
      purpose: 'Unpacking Debezium',
      remedy: 'Start again; if it stays, look at the free disk space of the cache.',
    });
    await rm(download, { recursive: true });
  },
};

/** Kafka Connect with one worker and the Debezium connector for PostgreSQL; its state is in topics of the broker. */
export const debezium: NativePart = {
  part: 'debezium',
  needs: ['kafka'],
  tools: ['java'],
  recipes: [kafkaJars, plugin],
  stopSteps: STOP_JVM,

  address: (ports) => `http://127.0.0.1:${ports.debezium}`,

  async prepare(context) {
    await mkdir(context.folder, { recursive: true });
    const settings = join(context.folder, 'worker.properties');
    await writeFile(settings, properties(workerSettings(context)));
    return {
      command: commandOf('java'),
      args: [
        ...['-Xms256m', '-Xmx1g', '-XX:+UseG1GC', ...logging('io.debezium')],
        ...['-cp', join(homeOf(context, 0), '*'), 'org.apache.kafka.connect.cli.ConnectDistributed', settings],
      ],
      cwd: context.folder,
    };
  },
};

function workerSettings(context: PartContext): Record<string, string | number> {
  return {
    'bootstrap.servers': context.addresses.kafka,
    'group.id': 'millrace-connect',
    listeners: context.addresses.debezium,
    'rest.advertised.host.name': '127.0.0.1',
    'config.storage.topic': '_connect_configs',
    'offset.storage.topic': '_connect_offsets',
    'status.storage.topic': '_connect_status',
    'config.storage.replication.factor': 1,
    'offset.storage.replication.factor': 1,
    'status.storage.replication.factor': 1,
    'offset.storage.partitions': 1,
    'status.storage.partitions': 1,
    'offset.flush.interval.ms': 5_000,
    'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'plugin.path': homeOf(context, 1),
    // Scanning every class of the plugins takes the longer part of the start.
    'plugin.discovery': 'service_load',
    'connector.client.config.override.policy': 'All',
  };
}
