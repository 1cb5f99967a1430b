import type { Clock } from '../core/clock.ts';
import { classified } from '../core/errors.ts';

export interface WhileAwayOptions {
  /** Who does not answer within this time counts as away. */
  readonly answerWithinMs: number;
  /** While it is away it is asked again only this often, so that requests do not queue up behind it. */
  readonly awayForMs: number;
}

const LATE = Symbol('late');

/** Asks somebody whose outage must not stop the API. */
export class WhileAway {
  private readonly clock: Clock;
  private readonly options: WhileAwayOptions;
  private awayUntilMs = -Infinity;

  constructor(clock: Clock, options: WhileAwayOptions) {
    this.clock = clock;
    this.options = options;
  }

  /** Undefined while it is away. Rejects only when the question fails in another way than an outage; `about` names it then. */
  async ask<T>(question: () => Promise<T>, about: string): Promise<T | undefined> {
    if (this.clock.monotonicMs() < this.awayUntilMs) return undefined;
    try {
      const answer = await this.inTime(question());
      if (answer !== LATE) return answer;
    } catch (thrown) {
      const error = classified(thrown, 'UNCLASSIFIED', `${about} failed`);
      if (error.disposition !== 'outage') throw error;
    }
    this.awayUntilMs = this.clock.monotonicMs() + this.options.awayForMs;
    return undefined;
  }

  private async inTime<T>(answer: Promise<T>): Promise<T | typeof LATE> {
    const over = new AbortController();
    const late = this.clock.sleep(this.options.answerWithinMs, over.signal).then(
      (): typeof LATE => LATE,
      (): typeof LATE => LATE,
    );
    try {
      return await Promise.race([answer, late]);
    } finally {
      over.abort();
      // An answer that comes too late may be a rejection; nobody waits for it any more.
      answer.catch(() => undefined);
    }
  }
}
