import type { Clock } from '../../core/clock.ts';

/** Resolves after the time or as soon as the signal aborts, whichever is first. Stopping is not an error: never rejects for it. */
export async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** True when the work settled before the time was over and the signal aborted. The work goes on either way. */
export async function settledWithin(clock: Clock, ms: number, signal: AbortSignal, work: Promise<unknown>): Promise<boolean> {
  const enough = new AbortController();
  const settled = work.then(
    () => true,
    () => true,
  );
  const timeIsUp = pause(clock, ms, AbortSignal.any([signal, enough.signal])).then(() => false);
  const result = await Promise.race([settled, timeIsUp]);
  enough.abort();
  return result;
}
