import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ensureCaptureSource } from '../../connectors/replication/capture-source.ts';
import type { SourceMemory } from '../../connectors/replication/source-memory.ts';
import { captureSource } from '../../connectors/outbox/relay.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { Names } from '../../core/names.ts';
import { stackDown, stackUp } from '../../stack/stack.ts';
import { removeTestStack, testDataFolder } from '../../stack/test-stack.ts';
import { OUTBOX } from '../support/capture-database.ts';
import { eventually } from '../support/eventually.ts';
import { uniqueNamespace } from '../support/services.ts';
import { CaptureUnderTest, standing } from './repair-under-test.ts';

/** A server whose data folder can be copied while it is down, and put back: what a backup, or a standby, is made of. */
class OwnServer {
  readonly folder: string;
  url = '';

  constructor(folder: string) {
    this.folder = folder;
  }

  async start(): Promise<void> {
    const { postgresUrl } = await stackUp({ dataFolder: this.folder, parts: ['postgres'], flavour: 'native', given: {} });
    this.url = postgresUrl;
  }

  async stop(): Promise<void> {
    await stackDown({ dataFolder: this.folder });
  }

  async copy(): Promise<void> {
    await this.stop();
    this.run('rm', '-rf', this.backup);
    this.run('cp', '-a', this.cluster, this.backup);
    await this.start();
  }

  /** Starts with the copy instead of what has happened since; as a standby, it still has to be promoted. */
  async startCopy(as: 'primary' | 'standby'): Promise<void> {
    await this.stop();
    const { cluster, backup } = this;
    this.run('rm', '-rf', cluster);
    this.run('cp', '-a', backup, cluster);
    if (as === 'standby') this.run('cp', '-a', join(cluster, 'PG_VERSION'), join(cluster, 'standby.signal'));
    await this.start();
  }

  /** Of the server that runs, as an administrator's tool takes it. It brings neither log nor slot along. */
  async takeBaseBackup(): Promise<void> {
    const { cluster, backup } = this;
    const session = new pg.Client({ connectionString: `${this.url}/postgres` });
    await session.connect();
    try {
      await session.query(`SELECT pg_backup_start('base', true)`);
      this.run('rm', '-rf', backup);
      this.run('cp', '-a', cluster, backup);
      const { rows } = await session.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
      this.run('sh', '-c', `cd "${backup}" && rm -rf pg_wal/* pg_replslot/* postmaster.pid && cp -a PG_VERSION backup_label`);
      writeFileSync(join(backup, 'backup_label'), rows[0]!.labelfile);
    } finally {
      await session.end();
    }
  }

  /** Starts with the base backup and follows the old server's log as far as the target. */
  async restore(target: Readonly<Record<string, string>>): Promise<void> {
    const { cluster, backup, old } = this;
    await this.stop();
    this.run('rm', '-rf', old);
    this.run('mv', cluster, old);
    this.run('cp', '-a', backup, cluster);
    const settings = { ...target, restore_command: `cp "${old}/pg_wal/%f" "%p"`, recovery_target_action: 'promote' };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
    appendFileSync(join(cluster, 'postgresql.auto.conf'), lines.join(''));
    this.run('cp', '-a', join(cluster, 'PG_VERSION'), join(cluster, 'recovery.signal'));
    await this.start();
    await eventually(async () => (await this.ask('SELECT pg_is_in_recovery() AS standby'))[0]!['standby'] === false, { timeoutMs: 30_000 });
  }

  /** So that the next restore has one target only. */
  async forget(): Promise<void> {
    await this.ask('ALTER SYSTEM RESET ALL');
    this.run('rm', '-rf', this.old, this.backup);
  }

  private async ask(sql: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: `${this.url}/postgres` });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  private get old(): string {
    return `${this.cluster}-old`;
  }

  private get cluster(): string {
    const found = execFileSync('find', [this.folder, '-maxdepth', '4', '-name', 'postgresql.conf', '-path', '*/cluster/*'])
      .toString()
      .trim();
    return dirname(found.split('\n')[0]!);
  }

  private get backup(): string {
    return `${this.cluster}-copy`;
  }

  private run(command: string, ...args: string[]): void {
    execFileSync(command, args);
  }
}

describe('a relay whose server', () => {
  let server: OwnServer;
  let capture: CaptureUnderTest;
  let url: string;
  let version = 0;

  beforeAll(async () => {
    server = new OwnServer(await testDataFolder());
    await server.start();
  }, 120_000);
  afterAll(async () => {
    await removeTestStack(server.folder);
  }, 60_000);

  beforeEach(async () => {
    const names = new Names(uniqueNamespace('server'));
    url = `${server.url}/${names.database('image')}`;
    await query(`CREATE DATABASE "${names.database('image')}"`, `${server.url}/postgres`);
    await query(OUTBOX);
    await ensureCaptureSource(captureSource('image', url, names));
    capture = await new CaptureUnderTest(url, names).open();
  }, 60_000);
  afterEach(async () => {
    await capture.close();
  }, 60_000);

  const query = async <T>(sql: string, at = url): Promise<T[]> => {
    const client = new pg.Client({ connectionString: at });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query(sql)).rows as T[];
    } finally {
      await client.end();
    }
  };

  const insert = async (count: number): Promise<string[]> => {
    const ids = Array.from({ length: count }, () => randomUUID());
    for (const id of ids) {
      version += 1;
      await query(
        `INSERT INTO image.outbox (id, aggregatetype, aggregateid, type, payload, trace_id, topic, stream_id, version)
         VALUES ('${id}', 'image', 'user-${version % 3}', 'ImageRegistered', '{}', 't', 'image.registered', 'stream-1', ${version})`,
      );
    }
    return ids;
  };

  /** Captures so many rows and stops. */
  const captured = async (count: number): Promise<string[]> => {
    const relay = await capture.relay();
    const ids = await insert(count);
    await capture.untilPublished(ids);
    await relay.stop(AbortSignal.timeout(10_000));
    return ids;
  };

  const expectRepaired = async (rows: readonly string[], lost: number, state: string, confirmed: boolean): Promise<void> => {
    const beganMs = Date.now();
    const report = await capture.repair({ apply: true, confirmed });
    expect(report.phantoms.map(({ rows: count }) => count)).toEqual(lost === 0 ? [] : [lost]);
    const ids = await capture.untilPublished(rows);
    const duplicates = ids.length - new Set(ids).size;
    process.stdout.write(`    ${state}: ${rows.length} rows, ${lost} lost, ${duplicates} duplicates, ${Date.now() - beganMs} ms\n`);
  };

  it('was put back to an older copy of its data waits for a person, also when it is to repair by itself', async () => {
    const kept = await captured(6);
    await server.copy();
    await captured(5);
    await server.startCopy('primary');
    const later = await insert(4);
    const relay = await capture.relay({ repair: capture.automaticRepair() });
    await eventually(() => expect(standing(relay)).toBe('gap DATABASE_RESTORED'));
    await expect(capture.repair({ apply: true })).rejects.toMatchObject({ code: 'REPAIR_NEEDS_CONFIRMATION' });
    expect(await capture.repair({ apply: false })).toMatchObject({ needsConfirmation: true, applied: false });
    await expectRepaired([...kept, ...later], 5, 'DATABASE_RESTORED', true);
    await eventually(() => standing(relay) === 'streaming');
    await capture.untilPublished(await insert(2));
  }, 120_000);

  it.each([
    ['a name', () => ({ recovery_target_name: 'before' })],
    ['a position', (lsn: string) => ({ recovery_target_lsn: lsn })],
  ])(
    'was restored from a base backup up to a point, given as %s, waits for a person and goes on from there',
    async (_, target) => {
      const kept = await captured(3);
      await server.takeBaseBackup();
      kept.push(...(await captured(3)));
      const [point] = await query<{ lsn: string }>(`SELECT pg_create_restore_point('before')::text AS lsn`);
      await captured(5);
      await server.restore(target(point!.lsn));
      try {
        const later = await insert(4);
        const relay = await capture.relay({ repair: capture.automaticRepair() });
        await eventually(() => expect(standing(relay)).toBe('gap DATABASE_RESTORED'), { timeoutMs: 20_000 });
        const plan = await capture.repair({ apply: false });
        expect(plan).toMatchObject({ needsConfirmation: true, applied: false, newSlot: true, phantoms: [{ rows: 5 }] });
        expect(plan.findings.map(({ code }) => code)).toEqual(['DATABASE_RESTORED', 'SLOT_MISSING']);
        await expect(capture.repair({ apply: true })).rejects.toMatchObject({ code: 'REPAIR_NEEDS_CONFIRMATION' });
        expect(standing(relay)).toBe('gap DATABASE_RESTORED');
        await expectRepaired([...kept, ...later], 5, 'DATABASE_RESTORED', true);
        await eventually(() => standing(relay) === 'streaming');
        await capture.untilPublished(await insert(2));
      } finally {
        await server.forget();
      }
    },
    180_000,
  );

  it('was replaced by a standby that was behind says which events it lost, and goes on', async () => {
    const kept = await captured(6);
    await server.copy();
    await captured(5);
    await server.startCopy('standby');
    const waiting = await capture.relay();
    await expect(capture.identity().assess()).rejects.toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
    await query('SELECT pg_promote()');
    await eventually(() => standing(waiting) === 'gap DATABASE_FAILED_OVER', { timeoutMs: 20_000 });
    const later = await insert(4);
    await expectRepaired([...kept, ...later], 5, 'DATABASE_FAILED_OVER', false);
    await eventually(() => standing(waiting) === 'streaming');
    await capture.untilPublished(await insert(2));
  }, 120_000);

  it('was replaced by a standby that was behind, while it worked, is no restored one after the repair', async () => {
    await captured(6);
    await server.copy();
    const relay = await capture.relay();
    await capture.untilPublished(await insert(5));
    await server.startCopy('standby');
    await query('SELECT pg_promote()');
    await eventually(() => standing(relay) === 'gap DATABASE_FAILED_OVER', { timeoutMs: 20_000 });
    await capture.repair({ apply: true });
    await eventually(() => standing(relay) === 'streaming');
    // The first position that is told again, which comes without a row of the outbox.
    await query('CREATE TABLE image.unrelated ()');
    const before = (await capture.remembered())!.flushLsn;
    await eventually(async () => (await capture.remembered())!.flushLsn > before, { timeoutMs: 20_000 });
    await relay.stop(AbortSignal.timeout(10_000));
    const next = await capture.relay();
    expect(standing(next)).toBe('streaming');
    await capture.untilPublished(await insert(2));
  }, 120_000);

  it('was replaced by a standby that lacks only what was not remembered yet is found out by the ends of the topics, once', async () => {
    const kept = await captured(6);
    await server.copy();
    // What follows is published; the memory of it comes too late. What is written at the start is what is known already.
    let writes = 0;
    const late: SourceMemory = {
      read: (slot) => capture.memory.read(slot),
      write: async (record) => {
        writes += 1;
        if (writes > 1) throw new ClassifiedError('KAFKA_UNAVAILABLE', 'too late');
        await capture.memory.write(record);
      },
      forget: async () => undefined,
    };
    const relay = await capture.relay({ identity: capture.identity(url, capture.reader, late) });
    await capture.untilPublished(await insert(3));
    await emit();
    await eventually(async () => (await capture.published()).ids.length === 10);
    await relay.stop(AbortSignal.abort());
    await server.startCopy('standby');
    await query('SELECT pg_promote()');
    await eventually(async () => query('CREATE TABLE image.writable ()'), { timeoutMs: 20_000 });
    const next = await capture.relay();
    expect(standing(next)).toBe('gap DATABASE_FAILED_OVER');
    expect(next.health()[0]!.detail).toContain('lacks 3 of the rows that were published last');
    const later = await insert(2);
    await expectRepaired([...kept, ...later], 3, 'DATABASE_FAILED_OVER, not remembered', false);
    await eventually(() => standing(next) === 'streaming');
    await next.stop(AbortSignal.timeout(10_000));
    // The events that were lost are still at the ends of the topics: they are known now, on the next timeline, too.
    await server.copy();
    await server.startCopy('standby');
    await query('SELECT pg_promote()');
    await eventually(async () => query('CREATE TABLE image.writable_again ()'), { timeoutMs: 20_000 });
    expect(standing(await capture.relay())).toBe('streaming');
  }, 120_000);

  /** An event without a table, which no outbox can lack. */
  const emit = async (): Promise<void> => {
    const columns = { id: randomUUID(), aggregatetype: 'image', aggregateid: 'user-1', type: 'ImageRegistered', trace_id: 't' };
    const event = { ...columns, topic: 'image.registered', stream_id: 's', version: 1, created_at: new Date().toISOString(), payload: {} };
    const text = JSON.stringify({ ...event, created_at: event.created_at.replace('T', ' ').replace('Z', '+00') });
    await query(`SELECT pg_logical_emit_message(true, 'millrace.outbox', '${text}')`);
  };

  it('gave its slot up goes on after the repair', async () => {
    const kept = await captured(3);
    await query(`ALTER SYSTEM SET idle_replication_slot_timeout = '1s'`);
    await query('SELECT pg_reload_conf()');
    try {
      await eventually(
        async () => {
          await query('CHECKPOINT');
          const [slot] = await query<{ wal_status: string }>(
            'SELECT wal_status FROM pg_replication_slots WHERE database = current_database()',
          );
          expect(slot?.wal_status).toBe('lost');
        },
        { timeoutMs: 30_000, everyMs: 250 },
      );
    } finally {
      await query('ALTER SYSTEM RESET idle_replication_slot_timeout');
      await query('SELECT pg_reload_conf()');
    }
    const later = await insert(4);
    const relay = await capture.relay();
    expect(standing(relay)).toBe('gap SLOT_LOST');
    expect(relay.health()[0]!.detail).toContain('idle_timeout');
    await expectRepaired([...kept, ...later], 0, 'SLOT_LOST', false);
    await eventually(() => standing(relay) === 'streaming');
  }, 120_000);
});
