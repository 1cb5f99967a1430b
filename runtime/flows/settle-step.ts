import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../core/clock.ts';
import type { OverdueStep } from '../../core/define.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import { classified } from '../../core/errors.ts';
import { substitute } from '../../core/saga.ts';
import type { Step } from '../../core/step.ts';
import type { RandomBytes } from '../../core/trace.ts';
import { continueTrace } from '../../core/trace.ts';
import type { UnitOfWork } from '../../core/unit-of-work.ts';
import { commitStep } from '../postgres/steps/commit-step.ts';
import { stepOf } from '../processing/reaction-handler.ts';
import type { ExpectedStep } from './flow.ts';

export type Settlement =
  /** The decision is committed under the step's key. */
  | { readonly kind: 'settled' }
  /** The step had come by itself: nothing was changed. */
  | { readonly kind: 'came-by-itself' }
  | { readonly kind: 'failed'; readonly error: ClassifiedError };

export type SettleStep = (step: ExpectedStep, overdue: OverdueStep, signal: AbortSignal) => Promise<Settlement>;

export interface SettleOptions {
  readonly unitOfWork: (domain: string) => UnitOfWork;
  readonly random: RandomBytes;
  readonly clock: Clock;
}

const ATTEMPTS = 5;
const PAUSE_MS = 20;
/** What the inbox says of a step that was decided in its place, by what was done. */
const STATUS = { finish: 'finished', compensate: 'compensated' } as const;

/**
 * Decides in place of a step that will not come by itself: in its domain, over its aggregate, and under its idempotency key, as
 * the group would have. Of two that settle at once, and of a settlement and a late step, the first to mark the key takes effect.
 */
export function createSettleStep(options: SettleOptions): SettleStep {
  return async (expected, overdue, signal) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        signal.throwIfAborted();
        const step = inPlace(expected, overdue, options);
        const outcome = await commitStep(options.unitOfWork(expected.domain), step, options.clock);
        return { kind: outcome.kind === 'committed' ? 'settled' : 'came-by-itself' };
      } catch (thrown) {
        const error = classified(thrown, signal.aborted ? 'HANDLER_TIMEOUT' : 'DECISION_FAILED', 'nothing was decided in place of a step');
        if (error.disposition !== 'retry-now' || attempt === ATTEMPTS) return { kind: 'failed', error };
        await sleep(PAUSE_MS * attempt);
      }
    }
  };
}

function inPlace({ domain, event }: ExpectedStep, overdue: OverdueStep, { random, clock }: SettleOptions): Step {
  const flow = { trace: continueTrace(event, random), startedMs: clock.monotonicMs() };
  const step = stepOf(domain, substitute(overdue), event, flow, undefined);
  return {
    ...step,
    decide(state, rows) {
      const decision = step.decide(state, rows);
      return { ...decision, step: { ...decision.step, status: STATUS[overdue.action] } };
    },
  };
}
