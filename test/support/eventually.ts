import { setTimeout as after } from 'node:timers/promises';

/**
 * Runs `check` until it neither throws nor answers `false`, and returns what it answered. At the deadline it fails with
 * the last error: a test waits for a condition and never for a time.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  options: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<Exclude<T, false>> {
  const deadline = performance.now() + (options.timeoutMs ?? 10_000);
  for (;;) {
    let last: unknown = new Error('the condition was not met in time');
    try {
      const answer = await check();
      if (answer !== false) return answer as Exclude<T, false>;
    } catch (thrown) {
      last = thrown;
    }
    if (performance.now() > deadline) throw last;
    await after(options.everyMs ?? 25);
  }
}
