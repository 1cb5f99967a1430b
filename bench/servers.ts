import pg from 'pg';
import { stackDown, stackStatus, stackUp, type Part } from '../stack/stack.ts';
import { StackError } from '../stack/stack-error.ts';
import type { StackEvent } from '../stack/progress.ts';
import { removeOrphans, removeTestStack, testDataFolder } from '../stack/test-stack.ts';

/** The servers that both sides use. */
export interface Servers {
  /** A superuser's URL without a database. */
  readonly postgresUrl: string;
  readonly kafkaBrokers: readonly string[];
  readonly registryUrl: string;
}

/** Servers of the benchmark's own, which it may stop and restart. */
export interface OwnServers extends Servers {
  readonly connectUrl: string;
  /** Of the parts that were asked for, as all the others. */
  readonly redisUrl: string;
  readonly dataFolder: string;
  pid(part: Part): Promise<number>;
  stopConnect(): Promise<void>;
  startConnect(): Promise<void>;
  remove(): Promise<void>;
}

/**
 * A bulk load does not fill the WAL to its usual limit in the middle of a measurement, and a commit that does not wait for
 * the disk is there for the capture after 2 ms and not after 200.
 */
const SETTINGS = ["max_wal_size = '16GB'", "checkpoint_timeout = '1h'", "wal_writer_delay = '2ms'"];

/**
 * Starts the parts (PostgreSQL is one of them) as processes, in a data folder of their own. What an earlier benchmark left
 * behind because it was killed is removed first.
 */
export async function startServers(
  parts: readonly Part[],
  signal: AbortSignal,
  progress: (event: StackEvent) => void,
): Promise<OwnServers> {
  if (process.platform !== 'linux') {
    throw new StackError('The benchmark reads CPU and memory from /proc', 'Run it on Linux.');
  }
  await removeOrphans();
  const dataFolder = await testDataFolder();
  const options = { dataFolder, flavour: 'native' as const, given: {}, signal, progress };
  try {
    const { postgresUrl, kafkaBrokers, registryUrl, redisUrl, connectUrl } = await stackUp({ ...options, parts });
    await configure(postgresUrl);
    return {
      postgresUrl,
      kafkaBrokers: kafkaBrokers.split(','),
      registryUrl,
      connectUrl: connectUrl ?? '',
      redisUrl,
      dataFolder,
      pid: (part) => pidOf(part, dataFolder),
      stopConnect: () => stackDown({ dataFolder, parts: ['debezium'] }),
      startConnect: async () => {
        await stackUp({ ...options, progress: () => undefined, parts });
      },
      remove: () => removeTestStack(dataFolder),
    };
  } catch (error) {
    await removeTestStack(dataFolder);
    throw error;
  }
}

async function pidOf(part: Part, dataFolder: string): Promise<number> {
  const status = await stackStatus({ dataFolder });
  const pid = status?.parts.find((each) => each.part === part)?.pid;
  if (pid === undefined) throw new StackError(`${part} does not run any more`, `Look at its log in ${dataFolder}/logs.`);
  return pid;
}

async function configure(postgresUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: `${postgresUrl.replace(/\/$/, '')}/postgres` });
  await client.connect();
  try {
    for (const setting of SETTINGS) await client.query(`ALTER SYSTEM SET ${setting}`);
    await client.query('SELECT pg_reload_conf()');
  } finally {
    await client.end();
  }
}
