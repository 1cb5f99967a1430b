import type { ClassifiedError } from '../../../core/errors.ts';
import type { Step, StepOutcome } from '../../../core/step.ts';
import type { Claiming } from './step-queue.ts';

/** A step from its arrival until it is settled, once. */
export class PendingStep implements Claiming {
  readonly step: Step;
  readonly claims: readonly string[];
  readonly outcome: Promise<StepOutcome>;
  /** How often it met another writer. */
  conflicts = 0;
  private readonly signal: AbortSignal;
  private resolve!: (outcome: StepOutcome) => void;
  private reject!: (error: unknown) => void;

  constructor(step: Step, signal: AbortSignal) {
    this.step = step;
    this.signal = signal;
    const lock = step.lock === undefined ? [] : [`lock ${step.lock}`];
    this.claims = [`key ${step.idempotencyKey}`, `stream ${step.aggregate.type} ${step.aggregateId}`, ...lock];
    this.outcome = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  settle(outcome: StepOutcome): void {
    this.resolve(outcome);
  }

  fail(error: ClassifiedError): void {
    this.reject(error);
  }

  /** True when nobody waits for it any more: it is settled with its signal's reason. */
  leftOut(): boolean {
    if (this.signal.aborted) this.reject(this.signal.reason);
    return this.signal.aborted;
  }
}
