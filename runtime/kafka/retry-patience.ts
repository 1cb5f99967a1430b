const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1_000;

export interface RetryPatienceOptions {
  readonly giveUpAfterMs: number;
  /** For what is final when it lasts. */
  readonly briefMs: number;
  /** Any of them ends the patience, also in the middle of a wait. */
  readonly signals: readonly AbortSignal[];
}

/** `lasted`: the failure was of the brief kind, and it lasts. `given-up`: the time is over, or the signal was given. */
export type PatienceAnswer = 'again' | 'lasted' | 'given-up';

/** Waits between attempts: growing, with jitter, and within a bounded time. One for each thing that is tried. */
export class RetryPatience {
  private readonly options: RetryPatienceOptions;
  private readonly begunAtMs = performance.now();
  private briefSinceMs: number | undefined;
  private waits = 0;

  constructor(options: RetryPatienceOptions) {
    this.options = options;
  }

  /** @param brief the failure is of the kind that is final when it lasts. */
  async afterFailure(brief: boolean): Promise<PatienceAnswer> {
    const { giveUpAfterMs, briefMs, signals } = this.options;
    const nowMs = performance.now();
    this.briefSinceMs = brief ? (this.briefSinceMs ?? nowMs) : undefined;
    const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.waits) * (0.5 + Math.random() / 2);
    this.waits += 1;
    if (signals.some(({ aborted }) => aborted) || nowMs + waitMs > this.begunAtMs + giveUpAfterMs) return 'given-up';
    if (this.briefSinceMs !== undefined && nowMs + waitMs > this.briefSinceMs + briefMs) return 'lasted';
    return (await waited(waitMs, signals)) ? 'again' : 'given-up';
  }
}

/** Resolves with whether the whole time was waited for. */
function waited(waitMs: number, signals: readonly AbortSignal[]): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (whole: boolean): void => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener('abort', aborted);
      resolve(whole);
    };
    const aborted = (): void => settle(false);
    const timer = setTimeout(() => settle(true), waitMs);
    for (const signal of signals) signal.addEventListener('abort', aborted, { once: true });
  });
}
