import type { Clock } from '../../core/clock.ts';
import type { Lsn } from '../../core/lsn.ts';
import { LSN_ZERO, maxLsn, minLsn } from '../../core/lsn.ts';

/**
 * Remembers, outside of the source, that a position is about to be told: true when it is durable there, false when that
 * cannot be said now.
 * @throws ClassifiedError with the code of a gap that was found on the way. Throws nothing else.
 */
export type RememberPosition = (position: Lsn) => Promise<boolean>;

/**
 * Looks at the publication: true when it is as it was when the stream began, false when that cannot be told now.
 * @throws ClassifiedError PUBLICATION_MISSING when it is not. Throws nothing else.
 */
export type LookAtPublication = () => Promise<boolean>;

export interface VouchOptions {
  readonly look: LookAtPublication;
  /** Left out: what was received before a look may be told as soon as it is durable. */
  readonly remember?: RememberPosition;
  /** Between two looks at least, while positions move. */
  readonly intervalMs: number;
  readonly clock: Clock;
  /** The highest position that was received. */
  received(): Lsn;
  /** The position that could be told if it were vouched for. */
  wanted(): Lsn;
  onVouched(): void;
  /** The publication is not what it was; no position after the last one may be told. */
  onChanged(error: unknown): void;
}

/**
 * Answers up to which position the publication hid nothing.
 *
 * Rows that a publication did not yield leave no trace in the stream, so that the position of any later transaction, or of a
 * keepalive, covers them. Therefore a position counts only after a look at the publication that began when the position had
 * been received already, and found it unchanged. One look vouches for everything received before it: the number of looks
 * follows the time, not the transactions.
 *
 * One vouch lives as long as one connection.
 */
export class PublicationVouch {
  private readonly options: VouchOptions;
  private vouched: Lsn = LSN_ZERO;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private lastLookMs = -Infinity;
  private over = false;

  constructor(options: VouchOptions) {
    this.options = options;
  }

  get lsn(): Lsn {
    return this.vouched;
  }

  /** Something moved: sees to it that there will be a look if one is needed. */
  prompt(): void {
    if (this.over || this.timer !== undefined || this.looking !== undefined) return;
    if (this.options.wanted() <= this.vouched) return;
    const { clock, intervalMs } = this.options;
    const waitMs = Math.max(0, this.lastLookMs + intervalMs - clock.monotonicMs());
    this.timer = setTimeout(() => void this.lookNow(), waitMs);
  }

  /** Resolves after a look that is over; one at a time. It vouches for what was received when it began. */
  lookNow(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.looking ??= this.look().finally(() => {
      this.looking = undefined;
      this.prompt();
    });
    return this.looking;
  }

  /** Looks once more if the wanted position needs it. */
  async settle(): Promise<void> {
    await this.looking;
    if (!this.over && this.options.wanted() > this.vouched) await this.lookNow();
  }

  /** Vouches for nothing more. */
  stop(): void {
    this.over = true;
    clearTimeout(this.timer);
  }

  /** A function, because a stop can come while one waits. */
  private isOver(): boolean {
    return this.over;
  }

  private async look(): Promise<void> {
    this.lastLookMs = this.options.clock.monotonicMs();
    // Taken before the look: what is received during it is left to the next one.
    const before = this.options.received();
    const { remember } = this.options;
    let position = before;
    try {
      if (!(await this.options.look()) || this.isOver()) return;
      if (remember !== undefined) {
        // Only what could be told now is remembered: the memory is never ahead of what Kafka has acknowledged.
        position = minLsn(before, this.options.wanted());
        if (!(await remember(position)) || this.isOver()) return;
      }
    } catch (thrown) {
      this.options.onChanged(thrown);
      return;
    }
    this.vouched = maxLsn(this.vouched, position);
    this.options.onVouched();
  }
}
