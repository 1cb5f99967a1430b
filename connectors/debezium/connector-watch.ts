import type { Clock } from '../../core/clock.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import { classified } from '../../core/errors.ts';
import type { HealthReport, HealthSource, Service } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import { reconnectDelayMs } from '../../core/retry-policy.ts';
import type { ConnectorStatus, ConnectRest } from './connect-rest.ts';

export interface ConnectorWatchOptions {
  readonly connector: string;
  readonly rest: Pick<ConnectRest, 'status' | 'restart'>;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Between two looks. */
  readonly intervalMs?: number;
  /** The longest wait before a failed task is started once more. */
  readonly restartMaxMs?: number;
}

const INTERVAL_MS = 5_000;
const RESTART_FIRST_MS = 2_000;
const RESTART_MAX_MS = 300_000;

/**
 * Looks at a connector as long as it runs, and says in health what Connect says of it. A task that failed is started again,
 * after growing pauses and without end: Debezium gives up when its database is away, and would stay down when it is back. Starting never
 * waits for Connect.
 */
export function createConnectorWatch(options: ConnectorWatchOptions): Service & HealthSource {
  return new ConnectorWatch(options);
}

class ConnectorWatch implements Service, HealthSource {
  readonly name: string;
  private readonly options: ConnectorWatchOptions;
  private readonly lifetime = new AbortController();
  private watching: Promise<void> | undefined;
  private status: ConnectorStatus | undefined;
  private error: ClassifiedError | undefined;
  private looked = false;
  private failures = 0;
  private restartAtMs = 0;

  constructor(options: ConnectorWatchOptions) {
    this.name = `connector.${options.connector}`;
    this.options = options;
  }

  async start(): Promise<void> {
    if (!this.lifetime.signal.aborted) this.watching ??= this.watch();
  }

  async stop(): Promise<void> {
    this.lifetime.abort();
    await this.watching;
  }

  health(): HealthReport[] {
    const facts =
      this.status === undefined ? {} : { state: this.status.state, tasks: this.status.tasks.map(({ state }) => state).join(',') };
    return [{ name: this.name, ...this.verdict(), facts }];
  }

  private verdict(): Pick<HealthReport, 'status' | 'detail'> {
    const { connector } = this.options;
    if (this.error !== undefined) return { status: 'degraded', detail: `${this.error.code}: ${this.error.message}. ${this.error.remedy}` };
    if (!this.looked) return { status: 'degraded', detail: 'Kafka Connect was not asked yet.' };
    if (this.status === undefined) return { status: 'down', detail: `There is no connector ${connector}: run \`millrace apply\`.` };
    return verdictOn(this.status);
  }

  private async watch(): Promise<void> {
    const { clock, intervalMs = INTERVAL_MS } = this.options;
    while (!this.lifetime.signal.aborted) {
      try {
        await this.look();
      } catch (thrown) {
        this.tell(classified(thrown, 'UNCLASSIFIED', 'the look at the connector failed'));
      }
      await clock.sleep(intervalMs, this.lifetime.signal).catch(() => undefined); // the loop looks at the signal itself
    }
  }

  private async look(): Promise<void> {
    const { rest, connector } = this.options;
    this.status = await rest.status(connector);
    this.looked = true;
    this.error = undefined;
    if (this.status === undefined || !hasFailed(this.status)) {
      if (this.status?.state === 'RUNNING') this.failures = 0;
      return;
    }
    await this.revive(this.status);
  }

  private async revive(status: ConnectorStatus): Promise<void> {
    const { rest, connector, clock, logger, restartMaxMs = RESTART_MAX_MS } = this.options;
    const now = clock.monotonicMs();
    if (this.failures > 0 && now < this.restartAtMs) return;
    this.failures += 1;
    this.restartAtMs = now + reconnectDelayMs(this.failures, Math.random(), RESTART_FIRST_MS, restartMaxMs);
    logger.warn({ connector, failures: this.failures }, `a task of the connector failed and is started again: ${traceOf(status)}`);
    await rest.restart(connector, true);
  }

  private tell(error: ClassifiedError): void {
    const { connector, logger } = this.options;
    if (this.error?.code !== error.code) logger.warn({ connector, 'error.code': error.code }, `${error.message}. ${error.remedy}`, error);
    this.error = error;
  }
}

/** What a connector's status means for whoever waits for its records. */
export function verdictOn(status: ConnectorStatus): Pick<HealthReport, 'status' | 'detail'> {
  if (hasFailed(status)) return { status: 'down', detail: `The connector ${status.name} failed: ${traceOf(status)}` };
  if (status.state !== 'RUNNING') return { status: 'degraded', detail: `The connector ${status.name} is ${status.state}.` };
  if (status.tasks.length === 0 || status.tasks.some(({ state }) => state !== 'RUNNING')) {
    return { status: 'degraded', detail: `The connector ${status.name} has no running task.` };
  }
  return { status: 'ok' };
}

function hasFailed(status: ConnectorStatus): boolean {
  return status.state === 'FAILED' || status.tasks.some(({ state }) => state === 'FAILED');
}

function traceOf(status: ConnectorStatus): string {
  return [status.trace, ...status.tasks.map(({ trace }) => trace)].find((trace) => trace !== undefined) ?? 'without a reason';
}
