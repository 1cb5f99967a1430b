import type { Clock } from '../../core/clock.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import { classified } from '../../core/errors.ts';
import type { HealthReport, HealthSource, Service } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import { aborted } from './aborted.ts';
import { KeptSqlSession } from './sql-session.ts';
import type { WalBudget, WalStage, WalVerdict } from './wal-budget.ts';
import { judgeWal, WAL_STAGES } from './wal-budget.ts';
import type { ServerSlot, ServerWal } from './wal-facts.ts';
import { readServerWal, slotWal } from './wal-facts.ts';
import { holderSentence, walHolder } from './wal-holder.ts';

export interface WalWatchOptions {
  readonly domain: string;
  /** By the capture role. */
  readonly url: string;
  readonly slot: string;
  /** Slots of this deployment on any server; every other one is reported, and never touched. */
  readonly isOurs: (slot: string) => boolean;
  readonly budget: WalBudget;
  readonly intervalMs: number;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

interface Sight {
  readonly server: ServerWal;
  readonly slot: ServerSlot | undefined;
  readonly verdict: WalVerdict;
  readonly heldBy: string | undefined;
  readonly unknown: readonly ServerSlot[];
}

/**
 * Watches how much of the write-ahead log a domain's slot holds back, every few seconds, and says each change of the stage
 * once. `warn` and `critical` are `degraded`: the relay works, and somebody should look. Looks on; drops and ends nothing.
 */
export function createWalWatch(options: WalWatchOptions): Service & HealthSource {
  return new WalWatch(options);
}

class WalWatch implements Service, HealthSource {
  readonly name: string;
  private readonly options: WalWatchOptions;
  private readonly session: KeptSqlSession;
  private readonly lifetime = new AbortController();
  private running: Promise<void> | undefined;
  private sight: Sight | undefined;
  private failure: ClassifiedError | undefined;
  private stage: WalStage = 'ok';
  private strangers: ReadonlySet<string> = new Set();

  constructor(options: WalWatchOptions) {
    this.name = `wal.${options.domain}`;
    this.options = options;
    this.session = new KeptSqlSession(options.url);
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.lifetime.signal.aborted) this.running ??= this.loop();
  }

  async stop(hard: AbortSignal): Promise<void> {
    this.lifetime.abort();
    await Promise.race([this.running, aborted(hard)]);
    await this.session.close();
  }

  health(): HealthReport[] {
    if (this.sight === undefined) {
      if (this.failure === undefined) return [{ name: this.name, status: 'ok', facts: { stage: 'not looked yet' } }];
      const { code, message, remedy } = this.failure;
      return [{ name: this.name, status: 'degraded', detail: `${code}: ${message}. ${remedy}` }];
    }
    const { verdict } = this.sight;
    const status = verdict.stage === 'ok' ? 'ok' : verdict.stage === 'lost' ? 'down' : 'degraded';
    return [{ name: this.name, status, ...(status === 'ok' ? {} : { detail: detailOf(this.sight) }), facts: factsOf(this.sight) }];
  }

  private async loop(): Promise<void> {
    const { signal } = this.lifetime;
    while (!signal.aborted) {
      await this.look();
      await this.options.clock.sleep(this.options.intervalMs, signal).catch(() => undefined); // the abort of the stop
    }
  }

  private async look(): Promise<void> {
    const { domain, logger, slot, budget, isOurs } = this.options;
    try {
      const server = await this.session.run(readServerWal);
      this.sight = {
        server,
        slot: server.slots.find(({ name }) => name === slot),
        verdict: judgeWal(slotWal(server, slot), budget),
        heldBy: holderSentence(walHolder(server, slot)),
        unknown: server.slots.filter(({ name, temporary }) => !temporary && !isOurs(name)),
      };
      this.failure = undefined;
      this.measure(this.sight);
      this.noteStage(this.sight);
      this.noteStrangers(this.sight);
    } catch (thrown) {
      // The relay says itself that its server is away; what was seen last is no help then.
      this.sight = undefined;
      this.failure = classified(thrown, 'POSTGRES_UNAVAILABLE', 'the slot cannot be looked at');
      logger.debug({ domain, 'error.code': this.failure.code }, 'the slot cannot be looked at');
    }
  }

  private measure({ slot, verdict, server, unknown }: Sight): void {
    const { metrics, domain } = this.options;
    const labels = { domain };
    for (const stage of WAL_STAGES) metrics.gauge('millrace_wal_stage', { domain, stage }, stage === verdict.stage ? 1 : 0);
    metrics.gauge('millrace_wal_budget_bytes', labels, verdict.budgetBytes);
    if (slot?.retainedBytes !== undefined) metrics.gauge('millrace_wal_retained_bytes', labels, slot.retainedBytes);
    if (slot?.safeBytes !== undefined) metrics.gauge('millrace_wal_safe_bytes', labels, slot.safeBytes);
    if (slot?.catalogXminAge !== undefined) metrics.gauge('millrace_slot_catalog_xmin_age', labels, slot.catalogXminAge);
    metrics.gauge('millrace_wal_oldest_transaction_seconds', labels, Math.max(0, ...server.pins.map(({ ageSeconds }) => ageSeconds)));
    metrics.gauge('millrace_unknown_slots', labels, unknown.length);
  }

  private noteStage(sight: Sight): void {
    const { stage } = sight.verdict;
    if (stage === this.stage) return;
    this.stage = stage;
    const { logger, domain } = this.options;
    const fields = { domain, stage, retainedBytes: sight.slot?.retainedBytes, budgetBytes: sight.verdict.budgetBytes };
    if (stage === 'ok') logger.info(fields, 'the slot holds back little of the write-ahead log again');
    else if (stage === 'warn') logger.warn(fields, detailOf(sight));
    else logger.error(fields, detailOf(sight));
  }

  /** A slot in our database that nobody here made: it reads our rows, and keeps our log. Those elsewhere are counted only. */
  private noteStrangers({ unknown, server }: Sight): void {
    const here = unknown.filter(({ database }) => database === server.database).map(({ name }) => name);
    for (const name of here) {
      if (this.strangers.has(name)) continue;
      this.options.logger.warn({ domain: this.options.domain, slot: name }, 'a slot that this pipeline does not know reads this database');
    }
    this.strangers = new Set(here);
  }
}

function detailOf({ verdict, heldBy }: Sight): string {
  return `${[...verdict.reasons, ...(heldBy === undefined ? [] : [heldBy])].join('; ')}. docs/operations.md, "The budget of the write-ahead log".`;
}

function factsOf({ slot, verdict, unknown, server }: Sight): Record<string, string | number | boolean> {
  const facts = {
    stage: verdict.stage,
    retainedBytes: slot?.retainedBytes,
    confirmedLagBytes: slot?.confirmedLagBytes,
    safeBytes: slot?.safeBytes,
    budgetBytes: verdict.budgetBytes,
    usedPercent: verdict.usedPercent,
    limited: server.limitBytes !== undefined,
    walStatus: slot?.walStatus,
    catalogXminAge: slot?.catalogXminAge,
    unknownSlots: unknown.length,
  };
  return Object.fromEntries(Object.entries(facts).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
}
