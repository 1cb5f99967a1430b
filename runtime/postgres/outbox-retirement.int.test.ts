import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dropSlot } from '../../connectors/replication/slot.ts';
import type { Bank } from '../../test/support/bank.ts';
import { openBank } from '../../test/support/bank.ts';
import { eventually } from '../../test/support/eventually.ts';
import { systemClock } from '../../test/support/system-clock.ts';
import { sweepOutboxDefault } from './outbox-default-sweep.ts';
import { sweepSnapshots } from './snapshot-sweep.ts';
import { retireOutboxPartitions } from './outbox-retirement.ts';

/** Days long past, so that every one of them is older than the retention. */
const [OLD, OLDER] = ['2020-01-02', '2020-01-01'];
const OLD_PARTITION = 'outbox_p20200102';
const OLDER_PARTITION = 'outbox_p20200101';
const NEVER = new AbortController().signal;

let bank: Bank;
let slot: string;
const clients: pg.Client[] = [];

beforeEach(async () => {
  bank = await openBank('retire');
  slot = `${bank.databases.namespace}_retire`;
  for (const [name, from, to] of [
    [OLDER_PARTITION, OLDER, OLD],
    [OLD_PARTITION, OLD, '2020-01-03'],
  ]) {
    await bank.database.execute(
      `CREATE TABLE bank.${name} PARTITION OF bank.outbox FOR VALUES FROM ('${from} 00:00+00') TO ('${to} 00:00+00')`,
    );
  }
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.end();
  const admin = await connect();
  await dropSlot(admin, slot, systemClock);
  await bank.close();
});

const connect = async (): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: bank.url });
  client.on('error', () => undefined);
  clients.push(client);
  await client.connect();
  return client;
};
const createSlot = () => bank.database.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
/** What a relay that has published everything does: confirms the end of the log. */
const captureAll = () => bank.database.query('SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())', [slot]);
const INSERT = `INSERT INTO bank.outbox (id, aggregatetype, aggregateid, type, payload, trace_id, created_at)
  SELECT gen_random_uuid(), 'bank', 'user-1', 'AccountDeposited', '{}', 'trace', $1::timestamptz FROM generate_series(1, $2::int)`;
const write = (day: string, rows = 1) => bank.database.execute(INSERT, [`${day} 12:00+00`, rows]);
const retire = (options: Partial<Parameters<typeof retireOutboxPartitions>[2]> = {}) =>
  retireOutboxPartitions(bank.database, 'bank', { slot, retentionDays: 31, partitionsMax: 10, keptBecause: () => undefined, ...options });
const partitions = async (): Promise<readonly string[]> => {
  const rows = await bank.database.query<{ name: string }>(
    "SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'bank.outbox'::regclass AND c.relname < 'outbox_p2021'",
  );
  return rows
    .map(({ name }) => name)
    .filter((name) => name !== 'outbox_default')
    .sort();
};

describe('outbox partitions past their retention', () => {
  it('are sealed, kept until the slot has confirmed their barrier, and then dropped; younger ones stay', async () => {
    await createSlot();
    await write(OLD, 3);
    const before = await bank.count('outbox');
    expect(await retire()).toEqual({ sealed: [OLDER_PARTITION, OLD_PARTITION], dropped: [], kept: [] });
    const waiting = await retire();
    expect(waiting.kept.map(({ reason }) => reason)).toEqual(Array(2).fill(`the slot ${slot} has not confirmed it yet`));
    expect(await bank.count('outbox')).toBe(before);

    await captureAll();
    await write(new Date().toISOString().slice(0, 10));
    expect(await retire()).toEqual({ sealed: [], dropped: [OLDER_PARTITION, OLD_PARTITION], kept: [] });
    expect(await partitions()).toEqual([]);
    expect(await bank.count('outbox')).toBe(1);
    expect(await bank.count('outbox_barriers')).toBe(0);
    expect(await retire()).toEqual({ sealed: [], dropped: [], kept: [] });
  });

  it('stay whole when a row comes late, until that row is captured too', async () => {
    await createSlot();
    await retire();
    await captureAll();
    await write(OLD);
    expect((await retire()).sealed).toEqual([OLD_PARTITION]);
    expect(await bank.count('outbox')).toBe(1);
    expect((await retire()).kept).toEqual([{ name: OLD_PARTITION, reason: `the slot ${slot} has not confirmed it yet` }]);
    await captureAll();
    expect((await retire()).dropped).toEqual([OLD_PARTITION]);
  });

  it('stay when a late row is written while the drop waits for it, and the writer is not held up', async () => {
    await createSlot();
    await retire();
    await captureAll();
    const writer = await connect();
    await writer.query('BEGIN');
    await writer.query(INSERT, [`${OLD} 12:00+00`, 1]);
    const report = await retire();
    expect(report.dropped).toEqual([]);
    expect(report.kept).toContainEqual({ name: OLD_PARTITION, reason: 'it is in use; the next pass tries again' });
    await writer.query('COMMIT');
    expect((await retire()).sealed).toEqual([OLD_PARTITION]);
    expect(await bank.count('outbox')).toBe(1);
  });

  it('are dropped although a late row was written, when its transaction was rolled back', async () => {
    await createSlot();
    await retire();
    const writer = await connect();
    await writer.query('BEGIN');
    await writer.query(INSERT, [`${OLD} 12:00+00`, 1]);
    await writer.query('ROLLBACK');
    await captureAll();
    expect((await retire()).dropped).toEqual([OLDER_PARTITION, OLD_PARTITION]);
  });

  it('are sealed only after the transactions that wrote to them, however long those are open', async () => {
    await createSlot();
    const writer = await connect();
    await writer.query('BEGIN');
    await writer.query(INSERT, [`${OLD} 12:00+00`, 1]);
    const sealing = retire({ partitionsMax: 2 });
    const admin = await connect();
    await eventually(async () => {
      const { rows } = await admin.query(`SELECT 1 FROM pg_locks WHERE relation = 'bank.${OLD_PARTITION}'::regclass AND NOT granted`);
      return rows.length > 0;
    });
    await writer.query('COMMIT');
    expect((await sealing).sealed).toEqual([OLDER_PARTITION, OLD_PARTITION]);
    const { rows } = await admin.query<{ behind: boolean }>(
      `SELECT bool_and(barrier_lsn > confirmed_flush_lsn) AS behind FROM bank.outbox_barriers, pg_replication_slots WHERE slot_name = $1`,
      [slot],
    );
    expect(rows[0]?.behind, 'the slot has not seen the commit').toBe(true);
  });

  it('stay without a slot, with somebody else’s slot, and while the capture says so', async () => {
    await write(OLD);
    await retire();
    expect((await retire()).kept.map(({ reason }) => reason)).toEqual(Array(2).fill(`there is no slot ${slot}`));
    await bank.database.query("SELECT pg_create_logical_replication_slot($1, 'test_decoding')", [slot]);
    expect((await retire()).kept[0]?.reason).toBe(`the slot ${slot} belongs to another plugin or database`);
    await dropSlot(await connect(), slot, systemClock);
    await createSlot();
    await captureAll();
    const gap = 'the relay of this process is gap';
    expect((await retire({ keptBecause: () => gap })).kept.map(({ reason }) => reason)).toEqual([gap, gap]);
    expect(await bank.count('outbox')).toBe(1);
  });

  it('stay when their barrier is a position of another server', async () => {
    await createSlot();
    await retire();
    await captureAll();
    await bank.database.execute('UPDATE bank.outbox_barriers SET system_identifier = system_identifier + 1');
    expect((await retire()).sealed).toEqual([OLDER_PARTITION, OLD_PARTITION]);
  });

  it('do not hold up a writer of today behind a long reader', async () => {
    await createSlot();
    await retire();
    await captureAll();
    const reader = await connect();
    await reader.query('BEGIN');
    await reader.query('SELECT count(*) FROM bank.outbox');
    const dropping = retire();
    const results = await Promise.all(Array.from({ length: 20 }, () => write(new Date().toISOString().slice(0, 10))));
    expect(results).toHaveLength(20);
    expect((await dropping).kept.map(({ reason }) => reason)).toEqual(Array(2).fill('it is in use; the next pass tries again'));
    await reader.query('ROLLBACK');
  });

  it('are dropped once by several replicas at the same time', async () => {
    await createSlot();
    await Promise.all([retire(), retire(), retire()]);
    await retire();
    await captureAll();
    const reports = await Promise.all([retire(), retire(), retire(), retire()]);
    const dropped = [...reports, await retire()].flatMap((report) => report.dropped);
    expect(dropped.sort()).toEqual([OLDER_PARTITION, OLD_PARTITION]);
  });
});

describe('old rows of the default partition', () => {
  const options = () => ({ slot, retentionDays: 31, batch: 10, batches: 100, keptBecause: () => undefined as string | undefined });
  const sweep = (changed: Partial<ReturnType<typeof options>> = {}) =>
    sweepOutboxDefault(bank.database, 'bank', { ...options(), ...changed }, NEVER);
  const OLD_IN_DEFAULT = '2019-06-01';

  it('are deleted in batches once the slot has confirmed their barrier, and no others', async () => {
    await createSlot();
    await write(OLD_IN_DEFAULT, 25);
    await write('2090-01-01', 2);
    expect(await sweep(), 'notes the barrier').toBe(0);
    expect(await sweep(), 'not confirmed').toBe(0);
    await captureAll();
    await write(OLD_IN_DEFAULT, 3);
    expect(await sweep({ batches: 1 }), 'one batch').toBe(10);
    expect(await sweep(), 'the rest below the horizon').toBe(15);
    expect(await bank.count('outbox_default')).toBe(5);
    expect(await sweep(), 'a new barrier for those that came later').toBe(0);
    await captureAll();
    expect(await sweep()).toBe(3);
    expect(await bank.count('outbox_default')).toBe(2);
  });

  it('stay when they were written in a savepoint of a transaction that was open at the barrier', async () => {
    await createSlot();
    await write(OLD_IN_DEFAULT);
    const writer = await connect();
    await writer.query('BEGIN');
    await writer.query('SELECT pg_current_xact_id()');
    await writer.query('SAVEPOINT a');
    await writer.query(INSERT, [`${OLD_IN_DEFAULT} 12:00+00`, 1]);
    await write(OLD_IN_DEFAULT);
    await sweep();
    await captureAll();
    await writer.query('COMMIT');
    expect(await sweep(), 'only the row from before the open transaction is below the horizon').toBe(1);
    expect(await bank.count('outbox_default')).toBe(2);
  });

  it('stay without a slot and while the capture says so', async () => {
    await write(OLD_IN_DEFAULT);
    await sweep();
    expect(await sweep()).toBe(0);
    await createSlot();
    await captureAll();
    expect(await sweep({ keptBecause: () => 'a gap' })).toBe(0);
    expect(await bank.count('outbox_default')).toBe(1);
  });

  it('can be deleted by the owner who sweeps, and by nobody else', async () => {
    await write(OLD_IN_DEFAULT);
    await write(OLD);
    const refused = { code: '23001' };
    const owner = await connect();
    await expect(owner.query('DELETE FROM bank.outbox')).rejects.toMatchObject(refused);
    await owner.query(`SET millrace.outbox_sweep = 'on'`);
    await expect(owner.query(`DELETE FROM bank.${OLD_PARTITION}`)).rejects.toMatchObject(refused);
    await expect(owner.query('UPDATE bank.outbox_default SET version = 7')).rejects.toMatchObject(refused);
    const role = `${bank.databases.namespace}_writer`;
    await owner.query(`CREATE ROLE ${role}; GRANT USAGE ON SCHEMA bank TO ${role}; GRANT ALL ON bank.outbox_default TO ${role}`);
    try {
      await owner.query(`SET ROLE ${role}`);
      await expect(owner.query('DELETE FROM bank.outbox_default')).rejects.toMatchObject(refused);
      await owner.query('RESET ROLE');
      expect((await owner.query('DELETE FROM bank.outbox_default')).rowCount).toBe(1);
    } finally {
      await owner.query(`RESET ROLE; DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });
});

describe('snapshots', () => {
  it('go when their stream was not touched for long, and stay when it was, however old they are', async () => {
    const event = `INSERT INTO bank.events (event_id, aggregate_type, aggregate_id, sequence_number, event_type, payload, created_at)
      VALUES ($1, 'account', $2, $3, 'AccountDeposited', '{}', now() - make_interval(days => $4))`;
    const snapshot = `INSERT INTO bank.snapshots (aggregate_type, aggregate_id, sequence_number, state, created_at)
      VALUES ('account', $1, 1, '{}', now() - make_interval(days => $2))`;
    for (let number = 0; number < 12; number += 1) {
      const [forgotten, busy] = [`forgotten-${number}`, `busy-${number}`];
      for (const id of [forgotten, busy]) await bank.database.execute(event, [randomUUID(), id, 1, 200]);
      await bank.database.execute(event, [randomUUID(), busy, 2, 3]);
      await bank.database.execute(snapshot, [busy, 220]);
      await bank.database.execute(snapshot, [forgotten, 200]);
    }
    await bank.database.execute(event, [randomUUID(), 'new', 1, 5]);
    await bank.database.execute(snapshot, ['new', 5]);
    const options = { retentionDays: 90, batch: 5, batches: 2 };
    const first = await sweepSnapshots(bank.database, 'bank', options, undefined, NEVER);
    expect(first.swept, 'ten looked at, and all of busy streams').toBe(0);
    const second = await sweepSnapshots(bank.database, 'bank', options, first.next, NEVER);
    const third = await sweepSnapshots(bank.database, 'bank', options, second.next, NEVER);
    expect(second.swept + third.swept).toBe(12);
    expect(third.next).toBeUndefined();
    expect(await bank.count('snapshots')).toBe(13);
  });
});
