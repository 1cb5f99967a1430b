import type { EventEmitter } from 'node:events';

/**
 * A terminal sends Ctrl-C to all that it runs, and npm sends it on to the command that it runs: one press of the key comes
 * twice. Nobody has pressed it twice within so short a time.
 */
const SAME_PRESS_MS = 500;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

interface InterruptOptions {
  /** Said to who insists: what is left behind, and what to do about it. */
  readonly leaves: string;
  /** Called at the first one. */
  readonly onFirst?: (signal: NodeJS.Signals) => void;
  readonly process?: Pick<EventEmitter, 'on' | 'off'> & { exit(code: number): unknown };
  readonly nowMs?: () => number;
}

export interface Interrupts {
  /** Aborted by the first Ctrl-C, which asks for an end in order. */
  readonly signal: AbortSignal;
  /** As Ctrl-C does it. */
  interrupt(signal: NodeJS.Signals): void;
  /** From here on signals do what they do by themselves. */
  end(): void;
}

/** How to ask those that are open for an end in order. */
const open = new Set<() => void>();

/** As the first Ctrl-C does it; after it, nothing: this is nobody who insists. False: nobody is there to be asked. */
export function endInOrder(): boolean {
  for (const ask of open) ask();
  return open.size > 0;
}

/** The first Ctrl-C asks for an end in order; another one ends the process at once, and says what that leaves behind. */
export function interrupts({ leaves, onFirst, process: of = process, nowMs = () => performance.now() }: InterruptOptions): Interrupts {
  const stopping = new AbortController();
  let firstAtMs: number | undefined;
  const interrupt = (signal: NodeJS.Signals): void => {
    if (firstAtMs === undefined) {
      firstAtMs = nowMs();
      onFirst?.(signal);
      stopping.abort(new DOMException('interrupted', 'AbortError'));
    } else if (nowMs() - firstAtMs >= SAME_PRESS_MS) {
      console.error(`\nended at once: ${leaves}`);
      of.exit(130);
    }
  };
  const ask = (): void => {
    if (firstAtMs === undefined) interrupt('SIGINT');
  };
  open.add(ask);
  for (const signal of SIGNALS) of.on(signal, interrupt);
  return {
    signal: stopping.signal,
    interrupt,
    end: () => {
      open.delete(ask);
      for (const signal of SIGNALS) of.off(signal, interrupt);
    },
  };
}
