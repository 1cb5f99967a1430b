import type { Clock } from '../../core/clock.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import { classified } from '../../core/errors.ts';
import type { HealthReport, HealthSource, Service } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { Database } from './database.ts';
import { sweepInboxStatement } from './inbox-horizon.ts';
import { sweepOutboxDefault } from './outbox-default-sweep.ts';
import { ensureOutboxPartitions } from './outbox-partitions.ts';
import { retireOutboxPartitions } from './outbox-retirement.ts';
import type { SnapshotCursor } from './snapshot-sweep.ts';
import { sweepSnapshots } from './snapshot-sweep.ts';

/** The care of a captured domain's outbox. */
export interface OutboxCare {
  /** The slot of the domain's capture. */
  readonly slot: string;
  /** Days that rows are kept at least. */
  readonly retentionDays: number;
  /** Why rows must stay although the slot may have confirmed them (the capture stands in a gap); undefined when it is sound. */
  readonly keptBecause: () => string | undefined;
  /** Partitions made ahead, today not counted. */
  readonly daysAhead?: number;
}

export interface MaintenanceOptions {
  readonly database: Database;
  /** Undefined for a domain that nothing captures. */
  readonly outbox: OutboxCare | undefined;
  /** Days without an event after which a stream's snapshot is swept. */
  readonly snapshotRetentionDays: number;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs?: number;
  /** The wait after a pass that failed, or that left something to do. */
  readonly retryMs?: number;
  /** Rows that one statement removes, and statements of one sweep in a pass: a pass never becomes a long transaction. */
  readonly sweepBatch?: number;
  readonly sweepBatches?: number;
}

const DEFAULTS = { intervalMs: 3_600_000, retryMs: 60_000, sweepBatch: 1_000, sweepBatches: 100 };
const DAYS_AHEAD = 7;
const PARTITIONS_PER_PASS = 10;

/**
 * What a domain's database needs once an hour: outbox partitions ahead, those behind dropped when they are old and captured,
 * expired inbox rows and forgotten snapshots removed. Every replica may run it; passes at the same time do not disturb each
 * other. A failed pass is logged and tried again; it stops nothing.
 */
export function createMaintenance(options: MaintenanceOptions): Service & HealthSource {
  return new Maintenance(options);
}

class Maintenance implements Service, HealthSource {
  readonly name: string;
  private readonly settings: MaintenanceOptions & typeof DEFAULTS;
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private failure: ClassifiedError | undefined;
  private snapshotCursor: SnapshotCursor | undefined;
  private keptReasons = '';
  private keptPartitions = 0;
  private sealedPartitions = 0;

  constructor(options: MaintenanceOptions) {
    this.name = `maintenance.${options.database.domain}`;
    this.settings = { ...DEFAULTS, ...options };
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.running ??= this.loop();
  }

  async stop(hard: AbortSignal): Promise<void> {
    this.stopping.abort();
    await Promise.race([this.running, aborted(hard)]);
  }

  health(): HealthReport[] {
    const facts = { outboxPartitionsOverdue: this.keptPartitions };
    if (this.failure === undefined) return [{ name: this.name, status: 'ok', facts }];
    const { code, message, remedy } = this.failure;
    return [{ name: this.name, status: 'degraded', detail: `${code}: ${message}. ${remedy}`, facts }];
  }

  private async loop(): Promise<void> {
    const { clock, intervalMs, retryMs } = this.settings;
    while (!this.stopping.signal.aborted) {
      const comeSoon = !(await this.pass()) || this.sealedPartitions + this.keptPartitions > 0;
      // Only the stop ends the sleep early, and the loop's condition sees it.
      await clock.sleep(comeSoon ? retryMs : intervalMs, this.stopping.signal).catch(() => undefined);
    }
  }

  private async pass(): Promise<boolean> {
    const { database, logger, metrics, outbox } = this.settings;
    const { domain } = database;
    const works = [
      async () => outbox === undefined || this.careForOutbox(outbox),
      async () => this.sweep('processed_events', () => this.sweepInbox()),
      async () => this.sweep('snapshots', () => this.sweepSnapshots()),
    ];
    const failures: ClassifiedError[] = [];
    // One that fails for good does not keep the others from their tables.
    for (const work of works)
      await work().catch((error: unknown) => failures.push(classified(error, 'UNCLASSIFIED', 'maintenance failed')));
    [this.failure] = failures;
    for (const failure of failures) {
      logger.warn({ domain, 'error.code': failure.code }, 'maintenance failed and will be tried again', failure);
    }
    const succeeded = this.failure === undefined;
    metrics.count('millrace_maintenance_passes_total', { domain, result: succeeded ? 'done' : 'failed' });
    return succeeded;
  }

  private async careForOutbox(care: OutboxCare): Promise<void> {
    const { database, logger, metrics, sweepBatch, sweepBatches } = this.settings;
    const { domain } = database;
    const { made, skipped } = await ensureOutboxPartitions(database, domain, { daysAhead: care.daysAhead ?? DAYS_AHEAD });
    for (const { name, reason } of skipped) logger.warn({ domain, partition: name }, reason);
    if (made.length > 0) logger.info({ domain, partitions: made.join(', ') }, 'made outbox partitions');

    const { sealed, dropped, kept } = await retireOutboxPartitions(database, domain, { ...care, partitionsMax: PARTITIONS_PER_PASS });
    if (sealed.length > 0) logger.info({ domain, partitions: sealed.join(', ') }, 'sealed outbox partitions that are past their retention');
    if (dropped.length > 0) logger.info({ domain, partitions: dropped.join(', ') }, 'dropped outbox partitions: old, and captured');
    metrics.count('millrace_outbox_partitions_dropped_total', { domain }, dropped.length);
    metrics.gauge('millrace_outbox_partitions_overdue', { domain }, kept.length);
    this.keptPartitions = kept.length;
    this.sealedPartitions = sealed.length;
    this.noteKept(kept.map(({ name, reason }) => `${name}: ${reason}`));
    const sweep = { ...care, batch: sweepBatch, batches: sweepBatches };
    await this.sweep('outbox_default', () => sweepOutboxDefault(database, domain, sweep, this.stopping.signal));
  }

  /** Said once per change: a slot that stands still keeps its rows for days. */
  private noteKept(reasons: readonly string[]): void {
    const text = reasons.join('; ');
    if (text !== '' && text !== this.keptReasons) {
      this.settings.logger.warn({ domain: this.settings.database.domain }, `old outbox rows are kept: ${text}`);
    }
    this.keptReasons = text;
  }

  private async sweep(table: 'processed_events' | 'snapshots' | 'outbox_default', run: () => Promise<number>): Promise<void> {
    const { database, logger, metrics } = this.settings;
    const rows = await run();
    metrics.count('millrace_maintenance_rows_swept_total', { domain: database.domain, table }, rows);
    if (rows > 0) logger.info({ domain: database.domain, table, rows }, 'swept rows');
  }

  /** Removes expired inbox rows in batches and returns how many; rows that another pass is removing are left to it. */
  private async sweepInbox(): Promise<number> {
    const { database, sweepBatch, sweepBatches } = this.settings;
    let swept = 0;
    for (let batch = 0; batch < sweepBatches && !this.stopping.signal.aborted; batch += 1) {
      const [row] = await database.query<{ swept: bigint }>(sweepInboxStatement(database.domain), [sweepBatch]);
      const removed = Number(row?.swept ?? 0n);
      swept += removed;
      if (removed < sweepBatch) break;
    }
    return swept;
  }

  private async sweepSnapshots(): Promise<number> {
    const { database, sweepBatch, sweepBatches, snapshotRetentionDays } = this.settings;
    const options = { retentionDays: snapshotRetentionDays, batch: sweepBatch, batches: sweepBatches };
    const { swept, next } = await sweepSnapshots(database, database.domain, options, this.snapshotCursor, this.stopping.signal);
    this.snapshotCursor = next;
    return swept;
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
