import type { Clock } from '../../core/clock.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import { classified } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { reconnectDelayMs } from '../../core/retry-policy.ts';
import { pause } from './pause.ts';

/** What is asked of the store of parked records. */
export type StoreWork = 'read' | 'park' | 'settle';

interface StoreStateOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** Ends the waits. */
  readonly signal: AbortSignal;
}

/**
 * How the store answered last, for each kind of work: that reads succeed does not say that writes do. Says a failure once,
 * and once that it is over.
 */
export class StoreState {
  private readonly options: StoreStateOptions;
  private readonly failures = new Map<StoreWork, { readonly count: number; readonly error: ClassifiedError }>();

  constructor(options: StoreStateOptions) {
    this.options = options;
  }

  /** Why some work of the store is not done at the moment. */
  get waitsFor(): ClassifiedError | undefined {
    const [first] = this.failures.values();
    return first?.error;
  }

  succeeded(work: StoreWork): void {
    if (this.failures.delete(work) && this.failures.size === 0) this.options.logger.info({}, 'parked records can be reached again');
  }

  /** Nothing of the work is left to be done. */
  over(work: StoreWork): void {
    this.failures.delete(work);
  }

  /** Resolves when it is time to try again: later each time. */
  async failed(work: StoreWork, thrown: unknown): Promise<void> {
    const { logger, clock, random, signal } = this.options;
    const error = classified(thrown, 'POSTGRES_UNAVAILABLE', 'the parked records could not be reached');
    const count = (this.failures.get(work)?.count ?? 0) + 1;
    if (count === 1) logger.warn({ 'error.code': error.code, work }, `records cannot be parked: ${error.remedy}`, error);
    this.failures.set(work, { count, error });
    await pause(clock, reconnectDelayMs(count, random()), signal);
  }
}
