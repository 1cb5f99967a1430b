import type { Clock } from '../../core/clock.ts';
import { classified } from '../../core/errors.ts';
import type { Service } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import type { Database } from './database.ts';
import { qualified } from './identifiers.ts';
import { ensureOutboxPartitions } from './outbox-partitions.ts';

export interface MaintenanceOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs?: number;
  /** The wait after a pass that failed. */
  readonly retryMs?: number;
  readonly daysAhead?: number;
  /** Rows of the inbox that one statement removes, and statements of one pass: a pass never becomes a long transaction. */
  readonly sweepBatch?: number;
  readonly sweepBatches?: number;
}

const DEFAULTS = { intervalMs: 3_600_000, retryMs: 60_000, daysAhead: 7, sweepBatch: 1_000, sweepBatches: 100 };

/**
 * What a domain's database needs once an hour: outbox partitions ahead, and expired inbox rows removed. Every replica may
 * run it; passes at the same time do not disturb each other. A failed pass is logged and tried again; it stops nothing.
 */
export function createMaintenance(options: MaintenanceOptions): Service {
  const settings = { ...DEFAULTS, ...options };
  const stopping = new AbortController();
  let running: Promise<void> | undefined;
  return {
    name: `maintenance.${options.database.domain}`,
    async start(signal) {
      signal.throwIfAborted();
      running ??= loop(settings, stopping.signal);
    },
    async stop(hard) {
      stopping.abort();
      await Promise.race([running, aborted(hard)]);
    },
  };
}

type Settings = Required<MaintenanceOptions>;

async function loop(settings: Settings, stopping: AbortSignal): Promise<void> {
  while (!stopping.aborted) {
    const succeeded = await pass(settings, stopping);
    // Only the stop ends the sleep early, and the loop's condition sees it.
    await settings.clock.sleep(succeeded ? settings.intervalMs : settings.retryMs, stopping).catch(() => undefined);
  }
}

async function pass(settings: Settings, stopping: AbortSignal): Promise<boolean> {
  const { database, logger } = settings;
  try {
    const { made, skipped } = await ensureOutboxPartitions(database, database.domain, { daysAhead: settings.daysAhead });
    for (const { name, reason } of skipped) logger.warn({ domain: database.domain, partition: name }, reason);
    const swept = await sweep(settings, stopping);
    if (made.length + swept > 0) {
      logger.info({ domain: database.domain, partitions: made.length, swept }, 'made outbox partitions and swept the inbox');
    }
    return true;
  } catch (error) {
    const reason = classified(error, 'UNCLASSIFIED', 'maintenance failed');
    logger.warn({ domain: database.domain, 'error.code': reason.code }, 'maintenance failed and will be tried again', reason);
    return false;
  }
}

/** Removes expired inbox rows in batches and returns how many; rows that another pass is removing are left to it. */
async function sweep(settings: Settings, stopping: AbortSignal): Promise<number> {
  const table = qualified(settings.database.domain, 'processed_events');
  let swept = 0;
  for (let batch = 0; batch < settings.sweepBatches && !stopping.aborted; batch += 1) {
    const removed = await settings.database.execute(
      `DELETE FROM ${table} WHERE idempotency_key IN (
         SELECT idempotency_key FROM ${table} WHERE expires_at < now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`,
      [settings.sweepBatch],
    );
    swept += removed;
    if (removed < settings.sweepBatch) break;
  }
  return swept;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
