import type { Progress } from '../stack/progress.ts';
import { rejectedBy } from './command-options.ts';
import type { Hotspots } from './profile.ts';
import type { BenchResult } from './result.ts';

export interface BenchOptions<P, S extends string, M extends string> {
  readonly plan: P;
  readonly quick: boolean;
  readonly sides: readonly S[];
  readonly only: readonly M[];
  readonly profile: boolean;
  readonly signal: AbortSignal;
  /** Of the servers' start; closed when they run. */
  readonly progress: Progress;
  readonly say: (text: string) => void;
}

/** What measuring yields beside the figures. */
export interface Findings {
  /** Empty unless it was asked for. */
  readonly hotspots: readonly Hotspots[];
  /** Measurements that ended with an error, in words; their figures are missing. */
  readonly failures: readonly string[];
}

export interface BenchOutcome<F extends string, V extends string> extends Findings {
  readonly result: BenchResult<F, V>;
}

/** Rejects with the signal's reason as soon as it aborts. What is under way then fails when its servers stop, and nobody waits for it. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => undefined);
  return Promise.race([work, rejectedBy(signal)]);
}

/** Makes one measurement after another; one that fails does not keep the others from being made. Returns the failures, in words. */
export async function makeAll<M extends string>(
  measurements: readonly M[],
  make: (measurement: M) => Promise<void>,
  { signal, say }: Pick<BenchOptions<unknown, string, M>, 'signal' | 'say'>,
): Promise<readonly string[]> {
  const failures: string[] = [];
  for (const measurement of measurements) {
    try {
      await make(measurement);
    } catch (error) {
      signal.throwIfAborted();
      const failure = `${measurement}: ${error instanceof Error ? error.message : String(error)}`;
      failures.push(failure);
      say(`FAILED ${failure}`);
    }
  }
  return failures;
}
