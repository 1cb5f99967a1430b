/**
 * While a partition is held. A fetch that waits, and the sleep of kafkajs when all are held, know nothing of the one that is
 * resumed meanwhile: under back-pressure its lanes would run dry each time.
 */
const HASTY_WAIT_MS = 10;
/** Back-pressure comes and goes within moments. What is held for longer waits for something that is away, and would be asked for in vain. */
const HASTE_MS = 2_000;

/** How long a fetch may wait at the broker. */
export class FetchPace {
  private readonly calmWaitMs: number;
  private readonly set: (waitMs: number) => void;
  private calming: NodeJS.Timeout | undefined;

  constructor(calmWaitMs: number, set: (waitMs: number) => void) {
    this.calmWaitMs = calmWaitMs;
    this.set = set;
  }

  /** What is held has changed: whether anything still is. */
  changed(isAnyHeld: boolean): void {
    this.stop();
    this.set(isAnyHeld ? Math.min(HASTY_WAIT_MS, this.calmWaitMs) : this.calmWaitMs);
    if (isAnyHeld) this.calming = setTimeout(() => this.set(this.calmWaitMs), HASTE_MS).unref();
  }

  stop(): void {
    clearTimeout(this.calming);
    this.calming = undefined;
  }
}
