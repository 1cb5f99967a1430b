import { InvalidArgumentError } from 'commander';

/** A reader of `--runs`. */
export function positiveInteger(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It must be a whole number, 1 or more.');
  return number;
}

/** A reader of lists like `--only one,two`. */
export function someOf<const W extends string>(words: readonly W[]): (list: string) => readonly W[] {
  return (list) =>
    list.split(',').map((text) => {
      const found = words.find((each) => each === text.trim());
      if (found === undefined) throw new InvalidArgumentError(`'${text}' is none of ${words.join(', ')}.`);
      return found;
    });
}

/** Aborted by Ctrl-C and its siblings: what was started is stopped and removed then. */
export function interruption(): AbortSignal {
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new DOMException('interrupted', 'AbortError'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  return interrupted.signal;
}

/** Tells on standard error what is done, with the seconds since now; standard output is for the results. */
export function teller(): (text: string) => void {
  const began = Date.now();
  return (text) => console.error(`${String(Math.round((Date.now() - began) / 1_000)).padStart(4)} s  ${text}`);
}

export function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
