import type { CallContext, CallName, Calls } from '../../core/calls.ts';
import { DEPENDENCY_OF_CALL } from '../../core/calls.ts';
import type { Clock } from '../../core/clock.ts';
import { ClassifiedError, classified } from '../../core/errors.ts';
import type { Metrics } from '../../core/metrics.ts';
import { CallSlots } from './call-slots.ts';

/** What does each call, by name. */
export type CallImplementations = {
  readonly [N in CallName]: (request: Calls[N]['request'], context: CallContext) => Promise<Calls[N]['result']>;
};

export interface CallOptions extends CallContext {
  /** Counted from the moment a place is free, so that a full queue is not taken for a slow service. */
  readonly timeoutMs: number;
}

export interface CallRunner {
  /**
   * Runs a call within its deadline; at most the configured number of one name run at the same time, the others wait for
   * their turn. Rejects with CALL_UNAVAILABLE when the service is away (nothing was said about this request) and with
   * CALL_FAILED when it failed for this request or did not answer in time, or with what the implementation classified.
   */
  run<N extends CallName>(name: N, request: Calls[N]['request'], options: CallOptions): Promise<Calls[N]['result']>;
}

interface CallRunnerOptions {
  readonly implementations: CallImplementations;
  /** Calls of one name at the same time. */
  readonly concurrencyMax: Readonly<Record<CallName, number>>;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

export function createCallRunner(options: CallRunnerOptions): CallRunner {
  const { implementations, concurrencyMax, clock } = options;
  const slots: Readonly<Record<CallName, CallSlots>> = {
    classify: new CallSlots(concurrencyMax.classify),
    notify: new CallSlots(concurrencyMax.notify),
    answer: new CallSlots(concurrencyMax.answer),
    processImage: new CallSlots(concurrencyMax.processImage),
  };
  return {
    run: async (name, request, context) => {
      const release = await slots[name].take(context.signal);
      const startedMs = clock.monotonicMs();
      const report = (result: string): void => {
        options.metrics.observe('millrace_call_duration_seconds', { call: name, result }, (clock.monotonicMs() - startedMs) / 1000);
      };
      try {
        const answer = await withinTime(clock, context, (signal) => implementations[name](request, { ...context, signal }));
        report('answered');
        return answer;
      } catch (error) {
        const { code, message, cause } = classified(error, 'CALL_FAILED', `the call ${name} failed`);
        report(code);
        throw new ClassifiedError(code, message, { cause, dependency: DEPENDENCY_OF_CALL[name] });
      } finally {
        release();
      }
    },
  };
}

/** Also when the implementation does not listen to its signal: the call is given up at its deadline. */
async function withinTime<T>(clock: Clock, options: CallOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const over = new AbortController();
  const done = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  const givenUp = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    clock.sleep(options.timeoutMs, AbortSignal.any([done.signal, options.signal])).then(
      () => over.abort(new ClassifiedError('CALL_FAILED', `the call did not answer within ${options.timeoutMs} ms`)),
      () => undefined,
    );
  });
  try {
    signal.throwIfAborted();
    return await Promise.race([work(signal), givenUp]);
  } finally {
    done.abort();
  }
}
