import { BUSY_NODE_OPTIONS } from '../../runtime/node-options.ts';
import { startProgram } from '../node-program.ts';
import { peakMemoryMb } from '../process-usage.ts';
import type { ConsumerProgramOrder } from './consumer-program.ts';
import type { PassOrder, PassOutcome } from './pass.ts';

/** What every side is told. */
export interface HandlerOrder {
  readonly brokers: readonly string[];
  readonly topic: string;
  /** What the topic holds. */
  readonly topicRecords: number;
  readonly keys: number;
  readonly handlerMs: number;
  readonly concurrency: number;
  readonly passes: readonly PassOrder[];
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

export interface ConsumerRun {
  /** One for each pass. */
  readonly outcomes: readonly PassOutcome[];
  /** The most that the process has held. */
  readonly memoryMb: number;
}

/** The program, for `compileProgram`. */
export const CONSUMER_PROGRAM = 'bench/processing/consumer-program.ts';

/** Runs the passes of a side in one Node process. */
export async function runConsumer(
  side: ConsumerProgramOrder['side'],
  { signal, withinMs, ...order }: HandlerOrder,
  options: { readonly program: string; readonly profileFolder?: string | undefined },
): Promise<ConsumerRun> {
  const running = await startProgram({
    ...options,
    nodeOptions: BUSY_NODE_OPTIONS,
    order: { side, ...order } satisfies ConsumerProgramOrder,
  });
  const stop = (): void => void running.stop();
  signal.addEventListener('abort', stop, { once: true });
  const timer = setTimeout(stop, withinMs);
  try {
    const outcomes: PassOutcome[] = [];
    for (let pass = 0; pass < order.passes.length; pass += 1) outcomes.push((await running.next()) as PassOutcome);
    return { outcomes, memoryMb: peakMemoryMb(running.pid) };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    await running.stop();
  }
}
