import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { postgresOwner } from '../../stack/native/account.ts';
import { eventually } from '../support/eventually.ts';
import { OwnServers } from '../support/own-servers.ts';
import { LONG } from '../support/long.ts';
import { CaptureUnderFault } from './capture-under-fault.ts';
import type { RelayProcess } from './relay-process.ts';

const MIB = 1024 * 1024;
/** How long a server stays away. */
const AWAY_MS = LONG ? 180_000 : 5_000;

describe('a relay whose servers die', () => {
  let servers: OwnServers;
  let capture: CaptureUnderFault;
  let opened: CaptureUnderFault[] = [];

  beforeAll(async () => {
    servers = await OwnServers.start(['postgres', 'kafka']);
  }, 120_000);
  afterAll(async () => {
    await servers.remove();
  }, 60_000);
  beforeEach(async () => {
    await servers.up('postgres');
    await servers.up('kafka');
    capture = await CaptureUnderFault.open('servers', servers.endpoints);
    opened = [capture];
  }, 120_000);
  afterEach(async () => {
    await servers.up('postgres');
    await servers.up('kafka');
    for (const each of opened) await each.close();
    opened = [];
  }, 120_000);

  const detailOf = async (relay: RelayProcess): Promise<string> => (await relay.health()).report.detail ?? '';
  const underLoad = async (): Promise<RelayProcess> => {
    const relay = await capture.startedRelay();
    capture.workload().start();
    await capture.moves();
    return relay;
  };

  it('lets PostgreSQL shut down instead of keeping it waiting, and loses nothing', async () => {
    await underLoad();
    const log = join(servers.dataFolder, 'logs', 'postgres.log');
    const before = readFileSync(log, 'utf8').length;
    await servers.stop('postgres');
    // It waits for its walsenders without a limit of its own: whoever stops the stack uses force in the end.
    const said = readFileSync(log, 'utf8').slice(before);
    expect(said).toContain('received fast shutdown request');
    expect(said).not.toContain('received immediate shutdown request');
    expect(said).toContain('database system is shut down');
    await servers.up('postgres');
    await capture.database.reconnect();
    await capture.verify('postgres: shut down', await capture.recovery());
  });

  it('loses nothing when Kafka is stopped and started', async () => {
    await underLoad();
    await servers.stop('kafka');
    await capture.moreRows(20);
    await servers.up('kafka');
    await capture.verify('kafka: restarted', await capture.recovery());
  });

  it(
    'holds no more than its limit while Kafka, killed, stays away under load, and loses nothing',
    async () => {
      const limitBytes = 4 * MIB;
      const relay = await capture.startedRelay({ settings: { inFlightBytesMax: limitBytes } });
      // So that what is written in minutes can be published again within the time that a recovery has.
      capture.workload({ fillerChars: 16_000, pauseMs: LONG ? 20 : 1 }).start();
      await capture.moves(100);
      const before = (await relay.health()).rssBytes;
      await servers.kill('kafka');
      const [walBefore, awayUntil] = [await capture.walPosition(), performance.now() + AWAY_MS];
      let highest = 0;
      await eventually(
        async () => {
          highest = Math.max(highest, (await relay.health()).rssBytes);
          // Several times more than it may hold has been written meanwhile.
          return performance.now() > awayUntil && (await capture.walPosition()) - walBefore > 16 * limitBytes;
        },
        { timeoutMs: AWAY_MS + 60_000, everyMs: 100 },
      );
      // Said once the producer has given a batch up, which takes it as long as its delivery timeout.
      await eventually(async () => (await detailOf(relay)).startsWith('KAFKA_UNAVAILABLE: '), { timeoutMs: 60_000, everyMs: 200 });
      expect(highest - before).toBeLessThan(8 * limitBytes);
      await servers.up('kafka');
      await capture.verify('kafka: killed and away', await capture.recovery());
    },
    LONG ? 600_000 : 240_000,
  );

  it('loses nothing when PostgreSQL is killed', async () => {
    await underLoad();
    await servers.kill('postgres');
    await eventually(async () => !(await servers.isRunning('postgres')));
    await servers.up('postgres');
    await capture.database.reconnect();
    const recovery = await capture.recovery();
    await capture.moves();
    await capture.verify('postgres: killed', recovery);
  });

  it('stands still in a named state when its slot is dropped, and tells nothing any more', async () => {
    const relay = await underLoad();
    await dropSlot();
    expect(await capture.gapOf(relay)).toBe('SLOT_MISSING');
    const told = capture.witness.statuses;
    await capture.moreRows(20);
    // A second one does not begin anew either.
    expect(await capture.gapOf(await capture.startedRelay())).toBe('SLOT_MISSING');
    expect(capture.witness.statuses).toBe(told);
    await capture.verifyStandstill('slot dropped', 'known');
  });

  it('stands still in a named state when somebody makes its slot anew, and tells that slot nothing', async () => {
    const relay = await underLoad();
    // Out of reach, so that it meets the new slot only.
    capture.postgres.refuse();
    await dropSlot();
    await capture.moreRows(20);
    const told = capture.witness.statuses;
    const slot = capture.database.names.slot('image');
    await capture.database.sql.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
    const confirmed = await capture.confirmedLsn();
    capture.postgres.heal();
    expect(await capture.gapOf(relay)).toBe('SLOT_RECREATED');
    await capture.moreRows(20);
    expect(await capture.gapOf(await capture.startedRelay())).toBe('SLOT_RECREATED');
    expect(capture.witness.statuses).toBe(told);
    expect(await capture.confirmedLsn()).toBe(confirmed);
    await capture.verifyStandstill('slot made anew by somebody else', 'known');
  });

  it('stands still in a named state when its slot is invalidated, and tells nothing any more', async () => {
    await capture.database.sql.query("ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'");
    try {
      await capture.database.sql.query('SELECT pg_reload_conf()');
      const relay = await underLoad();
      capture.kafka.holdAnswers();
      const workload = capture.workload({ fillerChars: 20_000, pauseMs: 0 });
      workload.start();
      await eventually(
        async () => {
          await capture.database.sql.query('CHECKPOINT');
          return (await capture.walStatus()) === 'lost';
        },
        { timeoutMs: 60_000, everyMs: 200 },
      );
      await workload.stop();
      capture.kafka.heal();
      expect(await capture.gapOf(relay)).toBe('SLOT_LOST');
      await capture.verifyStandstill('slot invalidated', 'unknown');
    } finally {
      await capture.database.sql.query('ALTER SYSTEM RESET max_slot_wal_keep_size');
      await capture.database.sql.query('SELECT pg_reload_conf()');
    }
  });

  it('loses nothing when the disk of the write-ahead log is full', async (context) => {
    const volume = await SmallVolume.under(servers, join(await capture.database.dataDirectory(), 'pg_wal'));
    if (volume === undefined) {
      context.skip('a file system of a fixed size cannot be mounted here: that takes root');
      return;
    }
    try {
      await capture.database.reconnect();
      const relay = await capture.startedRelay();
      const workload = capture.workload({ fillerChars: 30_000, pauseMs: 0 });
      await capture.workload().writeSome(20);
      await capture.published();
      // What is not told keeps its log on the disk.
      capture.kafka.holdAnswers();
      workload.start();
      await eventually(() => workload.failures > 0, { timeoutMs: 60_000 });
      await eventually(async () => (await detailOf(relay)).startsWith('POSTGRES_UNAVAILABLE'), { timeoutMs: 30_000 });
      volume.grow();
      capture.kafka.heal();
      await servers.up('postgres');
      await capture.database.reconnect();
      await workload.stop();
      const recovery = await capture.recovery();
      await capture.verify('postgres: disk of the write-ahead log full', recovery);
    } finally {
      await volume.remove();
    }
  }, 180_000);

  /** Ends the stream that holds it. */
  const dropSlot = async (): Promise<void> => {
    const { sql, names } = capture.database;
    await eventually(async () => {
      await sql.query('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1', [names.slot('image')]);
      await sql.query('SELECT pg_drop_replication_slot($1)', [names.slot('image')]);
    });
  };
});

/** Puts PostgreSQL's write-ahead log on a file system of its own that is soon full. */
class SmallVolume {
  private readonly servers: OwnServers;
  private readonly folder: string;

  private constructor(servers: OwnServers, folder: string) {
    this.servers = servers;
    this.folder = folder;
  }

  /** Undefined where nothing can be mounted. */
  static async under(servers: OwnServers, folder: string): Promise<SmallVolume | undefined> {
    if (process.getuid?.() !== 0 || process.platform !== 'linux') return undefined;
    await servers.stop('postgres');
    const volume = new SmallVolume(servers, folder);
    const usedMib = Number(execFileSync('du', ['-sm', folder], { encoding: 'utf8' }).split('\t')[0]);
    volume.copy(folder, volume.aside);
    const owner = postgresOwner()!;
    const options = `size=${usedMib + 34}m,mode=0700,uid=${owner.uid},gid=${owner.gid}`;
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'pipe' });
    } catch {
      rmSync(volume.aside, { recursive: true });
      await servers.up('postgres');
      return undefined;
    }
    volume.copy(volume.aside, folder);
    await servers.up('postgres');
    return volume;
  }

  grow(): void {
    execFileSync('mount', ['-o', 'remount,size=1g', this.folder]);
  }

  /** The log goes back to the disk on which everything else is. */
  async remove(): Promise<void> {
    await this.servers.stop('postgres');
    rmSync(this.aside, { recursive: true, force: true });
    this.copy(this.folder, this.aside);
    execFileSync('umount', [this.folder]);
    rmSync(this.folder, { recursive: true });
    execFileSync('mv', [this.aside, this.folder]);
  }

  private copy(from: string, to: string): void {
    execFileSync('cp', ['-a', `${from}/.`, to]);
  }

  private get aside(): string {
    return `${this.folder}.aside`;
  }
}
