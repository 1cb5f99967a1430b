import type { Clock } from '../../core/clock.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import { classified } from '../../core/errors.ts';
import type { HealthReport, HealthSource, Service } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { Database } from '../postgres/database.ts';
import { pause } from '../processing/pause.ts';
import { platformTime, summarizeOverdue } from '../postgres/flow-table.ts';
import type { PassResult } from './flow-sweep.ts';

export interface FlowSweeperOptions {
  readonly sweep: { pass(stopping: AbortSignal): Promise<PassResult> };
  /** Who holds it sweeps; the others stand by. */
  readonly lock: { isHeld(): Promise<boolean>; release(): Promise<void> };
  readonly platform: Database;
  /** Names of the sagas, so that each has its gauges from the start. */
  readonly sagas: readonly string[];
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs?: number;
}

const INTERVAL_MS = 60_000;
/** After a pass that met a limit. */
const SOON_MS = 1_000;
const NAME = 'flows';

/**
 * Sweeps the flows once a minute, in one process of all: the one that holds the lock. A failed pass is logged and tried again;
 * it stops nothing.
 */
export function createFlowSweeper(options: FlowSweeperOptions): Service & HealthSource {
  return new FlowSweeper(options);
}

class FlowSweeper implements Service, HealthSource {
  readonly name = NAME;
  private readonly options: FlowSweeperOptions;
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private state: 'starting' | 'active' | 'standby' = 'starting';
  private failure: ClassifiedError | undefined;
  private unread: readonly string[] = [];
  private overdue = 0;
  private oldestSeconds = 0;

  constructor(options: FlowSweeperOptions) {
    this.options = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.running ??= this.loop();
  }

  async stop(hard: AbortSignal): Promise<void> {
    this.stopping.abort();
    await Promise.race([this.running, aborted(hard)]);
    await this.options.lock.release();
  }

  health(): HealthReport[] {
    const facts = { state: this.state, overdue: this.overdue, oldest_waiting_seconds: this.oldestSeconds };
    if (this.failure !== undefined) {
      const { code, message, remedy } = this.failure;
      return [{ name: NAME, status: 'degraded', detail: `${code}: ${message}. ${remedy}`, facts }];
    }
    if (this.unread.length > 0) {
      return [{ name: NAME, status: 'degraded', detail: `the databases of ${this.unread.join(', ')} could not be read`, facts }];
    }
    return [{ name: NAME, status: 'ok', facts }];
  }

  private async loop(): Promise<void> {
    const { clock, intervalMs = INTERVAL_MS } = this.options;
    while (!this.stopping.signal.aborted) {
      const more = await this.turn();
      await pause(clock, more ? SOON_MS : intervalMs, this.stopping.signal);
    }
  }

  /** Whether there is more to do at once. */
  private async turn(): Promise<boolean> {
    const { lock, sweep, logger } = this.options;
    try {
      if (!(await lock.isHeld())) {
        this.standBy();
        return false;
      }
      if (this.state !== 'active') logger.info({}, 'sweeping the flows');
      this.state = 'active';
      const result = await sweep.pass(this.stopping.signal);
      this.unread = result.unread;
      await this.publish();
      this.failure = result.failure;
      const { begun, ended, settled } = result;
      logger.debug({ begun, ended, settled, overdue: this.overdue }, 'swept the flows');
      return result.more;
    } catch (error) {
      this.failure = classified(error, 'UNCLASSIFIED', 'the sweep of the flows failed');
      logger.warn({ 'error.code': this.failure.code }, 'the sweep of the flows failed and will be tried again', this.failure);
      return false;
    }
  }

  /** Another process tells the numbers. */
  private standBy(): void {
    if (this.state !== 'standby') this.options.logger.info({}, 'another process sweeps the flows: standing by');
    this.state = 'standby';
    this.failure = undefined;
    this.unread = [];
    this.tell(new Map(), 0);
  }

  private async publish(): Promise<void> {
    const { platform } = this.options;
    const summary = new Map((await summarizeOverdue(platform)).map((row) => [row.saga, row]));
    this.tell(summary, Date.parse(await platformTime(platform)));
  }

  private tell(summary: ReadonlyMap<string, { readonly overdue: number; readonly oldest: string }>, nowMs: number): void {
    this.overdue = 0;
    this.oldestSeconds = 0;
    for (const saga of this.options.sagas) {
      const row = summary.get(saga);
      const seconds = row === undefined ? 0 : Math.max(0, Math.round((nowMs - Date.parse(row.oldest)) / 1_000));
      this.options.metrics.gauge('millrace_flows_overdue', { saga }, row?.overdue ?? 0);
      this.options.metrics.gauge('millrace_flows_oldest_waiting_seconds', { saga }, seconds);
      this.overdue += row?.overdue ?? 0;
      this.oldestSeconds = Math.max(this.oldestSeconds, seconds);
    }
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
