import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
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
    await writeSecrets(context);
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

const SECRETS = 'secrets.properties';
const PASSWORD = 'postgres.password';

/** What a connector writes where the password belongs: this worker reads it from its own file, and no topic or answer holds it. */
export function passwordReference(folder: string): string {
  return `\${file:${join(folder, SECRETS)}:${PASSWORD}}`;
}

async function writeSecrets(context: PartContext): Promise<void> {
  const file = join(context.folder, SECRETS);
  const password = decodeURIComponent(new URL(context.addresses.postgres).password);
  await writeFile(file, properties({ [PASSWORD]: password }), { mode: 0o600 });
  // The mode counts for a new file only.
  await chmod(file, 0o600);
}

/** A worker beside a broker that others use, too, must not meet their workers there. */
function groupOf({ addresses, ports, kafkaClusterId }: PartContext): string {
  const ownBroker = addresses.kafka === `127.0.0.1:${ports.kafka}`;
  return ownBroker ? 'millrace-connect' : `millrace-connect-${kafkaClusterId.replace(/[^A-Za-z0-9]/g, '')}`;
}

function workerSettings(context: PartContext): Record<string, string | number> {
  const group = groupOf(context);
  const topics = group.replaceAll('millrace-connect', '_connect');
  return {
    'bootstrap.servers': context.addresses.kafka,
    'group.id': group,
    listeners: context.addresses.debezium,
    'rest.advertised.host.name': '127.0.0.1',
    'config.storage.topic': `${topics}_configs`,
    'offset.storage.topic': `${topics}_offsets`,
    'status.storage.topic': `${topics}_status`,
    'config.storage.replication.factor': 1,
    'offset.storage.replication.factor': 1,
    'status.storage.replication.factor': 1,
    'offset.storage.partitions': 1,
    'status.storage.partitions': 1,
    'offset.flush.interval.ms': 5_000,
    // A worker that lost its group, because the broker stood still, would wait five minutes for another one to come.
    'scheduled.rebalance.max.delay.ms': 0,
    'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'config.providers': 'file',
    'config.providers.file.class': 'org.apache.kafka.common.config.provider.FileConfigProvider',
    'config.providers.file.param.allowed.paths': context.folder,
    'plugin.path': homeOf(context, 1),
    // Scanning every class of the plugins takes the longer part of the start.
    'plugin.discovery': 'service_load',
    'connector.client.config.override.policy': 'All',
  };
}
