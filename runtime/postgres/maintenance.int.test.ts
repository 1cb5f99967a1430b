import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Clock } from '../../core/clock.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { Bank } from '../../test/support/bank.ts';
import { openBank } from '../../test/support/bank.ts';
import { createDatabase } from './database.ts';
import { createMaintenance } from './maintenance.ts';

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

const NEVER = new AbortController().signal;

describe('maintenance', () => {
  let bank: Bank;
  beforeAll(async () => {
    bank = await openBank('upkeep');
  });
  afterAll(() => bank.close());

  it('makes partitions ahead, sweeps expired inbox rows batch by batch, and comes again', async () => {
    await bank.database.execute(
      `INSERT INTO bank.processed_events (idempotency_key, domain, expires_at)
       SELECT 'old-' || i, 'bank', now() - interval '1 second' FROM generate_series(1, 25) AS i
       UNION ALL SELECT 'fresh', 'bank', now() + interval '1 day'`,
    );
    const clock = handClock();
    const maintenance = createMaintenance({ database: bank.database, clock, logger: SILENT_LOGGER, daysAhead: 9, sweepBatch: 10 });
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

  it('goes on after a pass that failed, sooner', async () => {
    const away = createDatabase({ url: 'postgres://u@127.0.0.1:1/away', domain: 'bank', logger: SILENT_LOGGER });
    const clock = handClock();
    const maintenance = createMaintenance({ database: away, clock, logger: SILENT_LOGGER });
    await maintenance.start(NEVER);
    await clock.slept(1);
    clock.wake();
    await clock.slept(2);
    expect(clock.sleeps).toEqual([60_000, 60_000]);
    await maintenance.stop(NEVER);
    await away.stop();
  });

  it('stops before it was started, and then does not start', async () => {
    const clock = handClock();
    const maintenance = createMaintenance({ database: bank.database, clock, logger: SILENT_LOGGER });
    await maintenance.stop(NEVER);
    await maintenance.start(NEVER);
    await maintenance.stop(NEVER);
    expect(clock.sleeps).toEqual([]);
  });
});
