import { execFileSync } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { OwnServers } from '../support/own-servers.ts';
import { CaptureUnderFault } from './capture-under-fault.ts';
import type { RelayProcess } from './relay-process.ts';

describe('a relay that repairs by itself, while writers go on,', () => {
  let servers: OwnServers;
  let capture: CaptureUnderFault;
  let slot: string;
  let publication: string;

  beforeAll(async () => {
    servers = await OwnServers.start(['postgres', 'kafka']);
  }, 120_000);
  afterAll(async () => {
    await servers.remove();
  }, 60_000);
  beforeEach(async () => {
    capture = await CaptureUnderFault.open('repaired', servers.endpoints);
    [slot, publication] = [capture.database.names.slot('image'), capture.database.names.publication('image')];
  }, 120_000);
  afterEach(async () => {
    await servers.up('kafka');
    await capture.close();
  }, 120_000);

  const query = (sql: string, values?: unknown[]) => capture.database.sql.query(sql, values);
  /** @param fires with events that no table keeps: a repair can bring back none that no slot brings any more. */
  const underLoad = async (fires = false): Promise<RelayProcess> => {
    const relay = await capture.repairingRelay();
    capture.workload({ fires }).start();
    await capture.moves();
    for (const topic of capture.topics) await capture.untilRemembered(topic);
    return relay;
  };

  /** Whoever reads from the slot is sent away first, as often as it comes back. */
  const withoutReader = async (act: string): Promise<void> => {
    await eventually(async () => {
      await query('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1', [slot]);
      await query(act, [slot]);
    });
  };
  const drop = (): Promise<void> => withoutReader('SELECT pg_drop_replication_slot($1)');

  const CASES: readonly { readonly name: string; readonly fires?: boolean; readonly damage: () => Promise<unknown> }[] = [
    { name: 'the slot is dropped', damage: drop },
    {
      name: 'the slot is dropped and made anew by somebody else',
      damage: async () => {
        capture.postgres.refuse();
        await drop();
        await capture.moreRows(20);
        await query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
        capture.postgres.heal();
      },
    },
    {
      name: 'somebody moves the slot forward',
      damage: async () => {
        capture.postgres.refuse();
        await eventually(async () => capture.moreRows(1).then(() => true));
        await withoutReader('SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())');
        capture.postgres.heal();
      },
    },
    {
      name: 'the publication leaves rows out for a while',
      fires: true,
      damage: async () => {
        await query(`ALTER PUBLICATION ${publication} DROP TABLE image.outbox`);
        await capture.moreRows(20);
        await query(`ALTER PUBLICATION ${publication} ADD TABLE image.outbox`);
      },
    },
    {
      name: 'the publication is dropped',
      damage: () => query(`DROP PUBLICATION ${publication}`),
    },
    { name: 'a topic is deleted', damage: () => capture.admin.deleteTopics([capture.topics[0]!]) },
    { name: 'the dead-letter topic is deleted', fires: true, damage: () => capture.admin.deleteTopics([capture.letters]) },
  ];

  it.each(CASES)(
    'has every row in its topic after $name',
    async ({ name, damage }) => {
      const relay = await underLoad();
      if (name.startsWith('the dead-letter')) await capture.untilLettersAreKnown();
      const begunMs = performance.now();
      await damage();
      await capture.repaired(relay);
      const tookMs = performance.now() - begunMs;
      await capture.moves();
      await capture.verify(`${name}, repaired under load`, tookMs, { repaired: true });
    },
    120_000,
  );

  it('has every row in its topic after the slot is invalidated', async () => {
    await query("ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'");
    try {
      await query('SELECT pg_reload_conf()');
      const relay = await underLoad();
      capture.kafka.holdAnswers();
      capture.workload({ fillerChars: 20_000, pauseMs: 0, fires: false }).start();
      const lost = async (): Promise<boolean> => (await capture.walStatus()) === 'lost';
      await eventually(async () => query('CHECKPOINT').then(lost), { timeoutMs: 60_000, everyMs: 200 });
      await query('ALTER SYSTEM RESET max_slot_wal_keep_size');
      await query('SELECT pg_reload_conf()');
      const begunMs = performance.now();
      capture.kafka.heal();
      await capture.repaired(relay);
      const tookMs = performance.now() - begunMs;
      await capture.moves();
      // The slot of the oracle went with it: the order of the commits is not known any more.
      await capture.verify('the slot is invalidated, repaired under load', tookMs, { repaired: true }, 'unknown');
    } finally {
      await query('ALTER SYSTEM RESET max_slot_wal_keep_size');
      await query('SELECT pg_reload_conf()');
    }
  }, 180_000);

  it('has every row in its topic after Kafka comes back with a shorter log', async () => {
    const relay = await underLoad();
    // Quiet, so that the log that went back does not grow over its remembered end before anybody looks.
    await capture.pauseWriters();
    await capture.published();
    await capture.untilEndsAreRemembered();
    await servers.kill('kafka');
    await eventually(async () => !(await servers.isRunning('kafka')));
    const cut = cutLogs(servers.dataFolder, capture.topics[0]!);
    expect(cut).toBeGreaterThan(0);
    await servers.up('kafka');
    const begunMs = performance.now();
    await capture.untilGapOrRepair(relay);
    capture.workload({ seed: 7, fires: false }).start();
    await capture.repaired(relay);
    const tookMs = performance.now() - begunMs;
    await capture.moves();
    await capture.verify('kafka: came back with a shorter log, repaired under load', tookMs, { repaired: true });
  }, 180_000);
});

/** Half of what each partition of the topic holds on the disk, as a broker loses what it never flushed. Returns how many bytes. */
function cutLogs(dataFolder: string, topic: string): number {
  const found = execFileSync('find', [dataFolder, '-path', `*/${topic}-*/*.log`, '-printf', '%s %p\n'], { encoding: 'utf8' });
  let cut = 0;
  for (const line of found.trim().split('\n')) {
    const [size, path] = [Number(line.slice(0, line.indexOf(' '))), line.slice(line.indexOf(' ') + 1)];
    if (size === 0) continue;
    truncateSync(path, Math.floor(size / 2));
    cut += Math.ceil(size / 2);
  }
  return cut;
}
