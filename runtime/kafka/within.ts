import { ClassifiedError } from '../../core/errors.ts';

/**
 * Rejects with KAFKA_UNAVAILABLE when the promise has not settled in time. The promise itself goes on, and a late rejection of
 * it is nobody's business any more.
 */
export async function within<T>(timeoutMs: number, promise: Promise<T>, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new ClassifiedError('KAFKA_UNAVAILABLE', message));
    }, timeoutMs);
  });
  try {
    return await Promise.race([promise, timeUp]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for the promise, but no longer than that, and does not care how it ends. */
export async function settledWithin(timeoutMs: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([Promise.allSettled([promise]), timeUp]);
  clearTimeout(timer);
}
