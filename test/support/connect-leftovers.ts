import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SILENT_LOGGER } from '../../core/log.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { eventually } from './eventually.ts';

/** Where the worker of a stack's own Kafka Connect keeps its state, in the broker. */
export interface ConnectState {
  readonly group: string;
  readonly topics: readonly string[];
}

/** Undefined when no Connect was started from that folder. */
export async function connectStateOf(dataFolder: string): Promise<ConnectState | undefined> {
  const text = await readFile(join(dataFolder, 'debezium', 'worker.properties'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const value = (key: string): string => {
    const line = text.split('\n').find((each) => each.startsWith(`${key}=`));
    const found = line?.slice(key.length + 1).trim();
    if (found === undefined) throw new Error(`the worker's settings name no ${key}`);
    return found;
  };
  return { group: value('group.id'), topics: ['config', 'offset', 'status'].map((each) => value(`${each}.storage.topic`)) };
}

/** After the worker has ended: its broker may be one that outlives it. */
export async function removeConnectState(kafkaBrokers: string, { group, topics }: ConnectState): Promise<void> {
  const driver = createKafkaJsDriver({ brokers: kafkaBrokers.split(','), clientId: 'test-leftovers', logger: SILENT_LOGGER });
  const admin = driver.admin();
  try {
    const there = new Set(await admin.listTopics());
    await admin.deleteTopics(topics.filter((topic) => there.has(topic)));
    // A worker that was killed is a member until its session has timed out.
    await eventually(async () => admin.deleteGroups([group]), { timeoutMs: 30_000, everyMs: 500 });
  } finally {
    await admin.stop();
  }
}
