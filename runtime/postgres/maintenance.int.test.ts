import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Clock } from '../../core/clock.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import type { Bank } from '../../test/support/bank.ts';
import { openBank } from '../../test/support/bank.ts';
import { temporaryDatabases } from '../../test/support/temporary-databases.ts';
import { createDatabase } from './database.ts';
import type { MaintenanceOptions } from './maintenance.ts';
import { isOlderThanInbox, readInboxHorizon } from './inbox-horizon.ts';
import { createMaintenance } from './maintenance.ts';
import { migrateDomain } from './migrate.ts';

/** A clock whose sleeps last until the test ends them, and that tells how long each should have been. */
function handClock(): Clock & { readonly sleeps: number[]; slept(count: number): Promise<void>; wake(): void } {
  const sleeps: number[] = [];
  let wakeUp: () => void = () => undefined;
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  return {
    sleeps,
    nowMs: () => 0,
    monotonicMs: () => 0,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        sleeps.push(ms);
        wakeUp = resolve;
        signal?.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
        for (const waiter of waiting) if (sleeps.length >= waiter.count) waiter.resolve();
      }),
    slept: (count) =>
      new Promise((resolve) => {
        if (sleeps.length >= count) resolve();
        else waiting.push({ count, resolve });
      }),
    wake: () => wakeUp(),
  };
}

const uncaptured: Pick<MaintenanceOptions, 'outbox' | 'snapshotRetentionDays' | 'metrics' | 'logger'> = {
  outbox: undefined,
  snapshotRetentionDays: 90,
  metrics: NO_METRICS,
  logger: SILENT_LOGGER,
};

const NEVER = new AbortController().signal;

describe('maintenance', () => {
  let bank: Bank;
  beforeAll(async () => {
    bank = await openBank('upkeep');
  });
  afterAll(() => bank.close());

  it('goes on with the other tables when one cannot be cared for, and says which error it was', async () => {
    await bank.database.execute(
      `INSERT INTO bank.processed_events (idempotency_key, domain, expires_at) VALUES ('gone', 'bank', now() - interval '1 second')`,
    );
    const clock = handClock();
    const outbox = { slot: 'no_such_slot', retentionDays: 31, keptBecause: () => undefined, daysAhead: 0.5 }; // not a number of days to the server
    const maintenance = createMaintenance({ ...uncaptured, database: bank.database, outbox, clock });
    await maintenance.start(NEVER);
    await clock.slept(1);
    expect(maintenance.health()).toMatchObject([{ status: 'degraded' }]);
    expect(await bank.count('processed_events')).toBe(0);
    await maintenance.stop(NEVER);
  });

  it('makes partitions ahead, sweeps expired inbox rows batch by batch, and comes again', async () => {
    await bank.database.execute(
      `INSERT INTO bank.processed_events (idempotency_key, domain, expires_at)
       SELECT 'old-' || i, 'bank', now() - interval '1 second' FROM generate_series(1, 25) AS i
       UNION ALL SELECT 'fresh', 'bank', now() + interval '1 day'`,
    );
    const clock = handClock();
    const outbox = { slot: 'no_such_slot', retentionDays: 31, keptBecause: () => undefined, daysAhead: 9 };
    const maintenance = createMaintenance({ ...uncaptured, database: bank.database, outbox, clock, sweepBatch: 10 });
    await maintenance.start(NEVER);
    await clock.slept(1);
    expect(clock.sleeps).toEqual([3_600_000]);
    expect(await bank.database.query('SELECT idempotency_key AS key FROM bank.processed_events')).toEqual([{ key: 'fresh' }]);
    const [days] = await bank.database.query<{ days: number }>(
      "SELECT count(*)::int AS days FROM pg_inherits WHERE inhparent = 'bank.outbox'::regclass",
    );
    expect(days?.days, 'today, nine days ahead and the default').toBe(11);

    await bank.database.execute("UPDATE bank.processed_events SET expires_at = now() - interval '1 second'");
    clock.wake();
    await clock.slept(2);
    expect(await bank.count('processed_events')).toBe(0);
    await maintenance.stop(NEVER);
    await maintenance.stop(NEVER);
  });

  it('takes an inbox that was there before for one that has forgotten what is older than 31 days, and a new one for one that remembers all', async () => {
    const fresh = temporaryDatabases('horizon');
    const migrate = () => migrateDomain({ databaseUrl: fresh.url('my'), domain: 'my', logger: SILENT_LOGGER });
    await migrate();
    const database = createDatabase({ url: fresh.url('my'), domain: 'my', logger: SILENT_LOGGER });
    try {
      expect(await readInboxHorizon(database, 'my')).toBe(-Infinity);
      await database.execute('DROP TABLE my.inbox_horizon');
      await database.execute(`DELETE FROM my.applied_migrations WHERE name LIKE 'inbox/0003%'`);
      await migrate();
      const age = Date.now() - (await readInboxHorizon(database, 'my'));
      expect(age).toBeGreaterThan(30.9 * 86_400_000);
      expect(age).toBeLessThan(31.1 * 86_400_000);
    } finally {
      await database.stop();
      await fresh.dropAll();
    }
  });

  it('writes down up to when events are forgotten, with the rows that it sweeps', async () => {
    const horizon = (): Promise<number> => readInboxHorizon(bank.database, 'bank');
    await bank.database.execute("UPDATE bank.inbox_horizon SET forgotten_to = '-infinity'");
    expect(await horizon()).toBe(-Infinity);
    const at = (minutes: number): string => `now() - interval '40 days' + interval '${minutes} minutes'`;
    await bank.database.execute(
      `INSERT INTO bank.processed_events (idempotency_key, domain, event_id, step, processed_at, expires_at)
       SELECT 'event ' || i, 'bank', 'e' || i, 'bank:Happened', ${at(0)} + i * interval '1 minute', now() - interval '1 day' FROM generate_series(1, 15) AS i
       UNION ALL SELECT 'command', 'bank', NULL, 'deposit', ${at(600)}, now() - interval '1 day'
       UNION ALL SELECT 'kept', 'bank', 'e99', 'bank:Happened', ${at(700)}, now() + interval '1 day'`,
    );
    const [last] = await bank.database.query<{ ms: number }>(`SELECT (extract(epoch FROM ${at(15)}) * 1000)::float8 AS ms`);
    const clock = handClock();
    const maintenance = createMaintenance({ ...uncaptured, database: bank.database, clock, sweepBatch: 10 });
    await maintenance.start(NEVER);
    await clock.slept(1);
    await maintenance.stop(NEVER);
    const margin = (await horizon()) - last!.ms;
    expect(margin).toBeGreaterThan(3_500_000);
    expect(margin).toBeLessThanOrEqual(3_600_000);
    expect(isOlderThanInbox(last!.ms, await horizon())).toBe(true);
    expect(isOlderThanInbox(last!.ms + 3_700_000, await horizon())).toBe(false);
  });

  it('seals an old partition, comes back soon, and drops it once it is captured, counted', async () => {
    const slot = `${bank.databases.namespace}_upkeep`;
    await bank.database.execute(
      "CREATE TABLE bank.outbox_p20200101 PARTITION OF bank.outbox FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-01-02 00:00+00')",
    );
    await bank.database.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
    const counted: [string, number | undefined][] = [];
    const metrics: Metrics = { ...NO_METRICS, count: (name, _labels, by) => void counted.push([name, by]) };
    const clock = handClock();
    const outbox = { slot, retentionDays: 31, keptBecause: () => undefined };
    const maintenance = createMaintenance({ ...uncaptured, database: bank.database, outbox, clock, metrics });
    await maintenance.start(NEVER);
    await clock.slept(1);
    await bank.database.query('SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())', [slot]);
    clock.wake();
    await clock.slept(2);
    expect(clock.sleeps).toEqual([60_000, 3_600_000]);
    expect(counted.filter(([name]) => name === 'millrace_outbox_partitions_dropped_total').map(([, by]) => by)).toEqual([0, 1]);
    expect(await bank.database.query("SELECT to_regclass('bank.outbox_p20200101') AS there")).toEqual([{ there: null }]);
    expect(maintenance.health()).toEqual([{ name: 'maintenance.bank', status: 'ok', facts: { outboxPartitionsOverdue: 0 } }]);
    await maintenance.stop(NEVER);
  });

  it('goes on after a pass that failed, sooner', async () => {
    const away = createDatabase({ url: 'postgres://u@127.0.0.1:1/away', domain: 'bank', logger: SILENT_LOGGER });
    const clock = handClock();
    const maintenance = createMaintenance({ ...uncaptured, database: away, clock });
    await maintenance.start(NEVER);
    await clock.slept(1);
    clock.wake();
    await clock.slept(2);
    expect(clock.sleeps).toEqual([60_000, 60_000]);
    expect(maintenance.health()[0]).toMatchObject({ status: 'degraded', detail: expect.stringContaining('POSTGRES_UNAVAILABLE') });
    await maintenance.stop(NEVER);
    await away.stop();
  });

  it('stops before it was started, and then does not start', async () => {
    const clock = handClock();
    const maintenance = createMaintenance({ ...uncaptured, database: bank.database, clock });
    await maintenance.stop(NEVER);
    await maintenance.start(NEVER);
    await maintenance.stop(NEVER);
    expect(clock.sleeps).toEqual([]);
  });
});
