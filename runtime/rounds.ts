import type { Clock } from '../core/clock.ts';
import type { ClassifiedError } from '../core/errors.ts';
import { classified } from '../core/errors.ts';
import type { HealthReport } from '../core/lifecycle.ts';
import type { Logger } from '../core/log.ts';
import { pause, settledWithin } from './processing/pause.ts';

interface RoundsOptions {
  /** Of the part in health and log. */
  readonly name: string;
  readonly pass: (signal: AbortSignal) => Promise<void>;
  /** The sentence for a pass that failed without one of its own. */
  readonly failed: string;
  /** From the end of a pass to the next one. */
  readonly intervalMs: number;
  /** A stop waits for the pass in hand so long. */
  readonly stopWaitMs: number;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Makes a pass now and then until it is stopped. One that fails is said once in a row, and tried again; it stops nothing. */
export class Rounds {
  private readonly options: RoundsOptions;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private failure: ClassifiedError | undefined;

  constructor(options: RoundsOptions) {
    this.options = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.running = this.loop();
  }

  async stop(hard: AbortSignal): Promise<void> {
    this.stopping.abort();
    await settledWithin(this.options.clock, this.options.stopWaitMs, hard, this.running);
  }

  /** How the last pass ended. */
  health(facts: NonNullable<HealthReport['facts']>): HealthReport {
    const { name } = this.options;
    if (this.failure === undefined) return { name, status: 'ok', facts };
    const { code, message, remedy } = this.failure;
    return { name, status: 'degraded', detail: `${code}: ${message}. ${remedy}`, facts };
  }

  private async loop(): Promise<void> {
    const { clock, intervalMs, pass } = this.options;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        await pass(signal);
        this.failure = undefined;
      } catch (thrown) {
        this.note(thrown);
      }
      await pause(clock, intervalMs, signal);
    }
  }

  private note(thrown: unknown): void {
    const { name, failed, logger } = this.options;
    const failure = classified(thrown, 'UNCLASSIFIED', failed);
    if (this.failure?.code !== failure.code) logger.warn({ 'log.logger': name, 'error.code': failure.code }, failure.message, failure);
    this.failure = failure;
  }
}
