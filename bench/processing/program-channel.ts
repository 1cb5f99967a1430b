/** The side of a program that the benchmark has started: its order, and the channel to the benchmark. */
export function orderOf<T>(): T {
  return JSON.parse(process.argv[2] ?? '{}') as T;
}

/** The message is on its way when it resolves. */
export async function reportBack(message: object): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    if (process.send === undefined) reject(new Error('this program is started by the benchmark'));
    else process.send(message, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });
}

/** Ends the process when it is told to, and when the benchmark is gone: one that was killed cannot stop its programs. */
export function endWhenTold(stop: () => Promise<void>): void {
  const end = (): void => void stop().finally(() => process.exit(0));
  process.once('SIGTERM', end);
  process.once('disconnect', end);
}
