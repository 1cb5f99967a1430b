import type { Clock } from '../../core/clock.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import { classified } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { reconnectDelayMs } from '../../core/retry-policy.ts';

export interface PatienceOptions {
  readonly domain: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The longest wait between two attempts while a dependency is away. */
  readonly retryMaxMs: number;
}

/** Waits out what may pass, for many pieces of work at once, and tells what is being waited for. */
export class Patience {
  private readonly options: PatienceOptions;
  private readonly waiting = new Map<object, ClassifiedError>();

  constructor(options: PatienceOptions) {
    this.options = options;
  }

  /** What is being waited for; undefined while all is well. */
  get waitingFor(): ClassifiedError | undefined {
    const [first] = this.waiting.values();
    return first;
  }

  /** Tries until it works. Rejects with what makes the work itself impossible (a dead letter), or with the signal's reason. */
  async until<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let failures = 0; ; failures += 1) {
      signal.throwIfAborted();
      try {
        const result = await work();
        this.passed(work);
        return result;
      } catch (thrown) {
        const error = classified(thrown, 'UNCLASSIFIED', 'publishing failed');
        if (error.disposition === 'dead-letter') {
          this.passed(work);
          throw error;
        }
        this.failed(work, error);
      }
      try {
        await this.options.clock.sleep(reconnectDelayMs(failures + 1, Math.random(), 100, this.options.retryMaxMs), signal);
      } finally {
        if (signal.aborted) this.waiting.delete(work);
      }
    }
  }

  private passed(work: object): void {
    if (this.waiting.delete(work) && this.waiting.size === 0) this.options.logger.info({ domain: this.options.domain }, 'publishing again');
  }

  private failed(work: object, error: ClassifiedError): void {
    const known = [...this.waiting.values()].some(({ code }) => code === error.code);
    this.waiting.set(work, error);
    if (known) return;
    const fields = { domain: this.options.domain, 'error.code': error.code };
    this.options.logger.warn(fields, `publishing waits: ${error.message}. ${error.remedy}`, error);
  }
}
