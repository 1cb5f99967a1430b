import type { BenchContext } from './bench-context.ts';
import { captureBook, type Side, type Variant } from './figures.ts';
import { STEADY_RATES } from './plan.ts';
import { measureStalledBroker } from './stalled-broker.ts';
import { LoadedLane, type Percentiles } from './steady-load.ts';

const PERCENTILES = ['p50', 'p99', 'p999'] as const;

type Loaded = 'millrace' | 'debezium' | 'debezium-defaults';

/**
 * Latency at the fixed rates: each run measures each side, one after the other. A pass of each that does not count comes first: the
 * broker's compiler works for its first tens of thousands of requests, and the side that begins would pay for it.
 */
export async function steadyRuns(context: BenchContext): Promise<void> {
  const { plan, sides } = context;
  for (const side of sides) await steadyRun({ ...context, book: captureBook(), say: () => undefined }, side, [500], 0);
  for (let run = 0; run < plan.runs; run += 1) {
    for (const side of sides) await steadyRun(context, side, plan.steadyRates, run);
  }
  if (sides.includes('debezium')) await steadyRun(context, 'debezium-defaults', [500], 0);
}

async function steadyRun(context: BenchContext, variant: Loaded, rates: readonly (500 | 5_000)[], run: number): Promise<void> {
  const { plan, book, say } = context;
  await withLoadedLane(context, variant, async (loaded) => {
    await loaded.warmUp(plan.steadyWarmUpRows, Math.max(...STEADY_RATES));
    for (const rate of rates) {
      const { append, consumer, cpuMicrosPerEvent } = await loaded.steady(rate, plan.steadySeconds);
      say(`steady: ${variant}, run ${run + 1}, ${rate}/s: ${inWords(append)} to the append, ${inWords(consumer)} to the consumer`);
      for (const name of PERCENTILES) {
        book.add(`steady-${rate}.${name}`, variant, append[name]);
        book.add(`steady-${rate}.consumer-${name}`, variant, consumer[name]);
      }
      book.add(`steady-${rate}.cpu`, variant, cpuMicrosPerEvent);
    }
  });
}

/** The highest of the rising rates that a side keeps up with, the writer and the observer on the same machine. */
export async function highestRuns(context: BenchContext): Promise<void> {
  const { plan, sides } = context;
  const begin = new Map<Variant, number>();
  for (let run = 0; run < plan.runs; run += 1) {
    for (const side of sides) {
      const reached = await withLoadedLane(context, side, (loaded) => climb(context, side, loaded, begin.get(side) ?? 0));
      // The next run need not climb from the bottom.
      begin.set(side, Math.max(0, reached - 1));
    }
  }
}

/** Returns the place of the highest rate that was kept up with. */
async function climb({ plan, book, say }: BenchContext, side: Variant, loaded: LoadedLane, from: number): Promise<number> {
  let reached: { readonly index: number; readonly rate: number; readonly append: Percentiles } | undefined;
  for (let index = from; index < plan.risingRates.length; index += 1) {
    const rate = plan.risingRates[index] ?? NaN;
    const load = await loaded.tryRate(rate, plan.risingSeconds);
    say(`highest: ${side}, ${rate}/s: ${load === undefined ? 'too much' : inWords(load.append)}`);
    if (load === undefined) break;
    reached = { index, rate, append: load.append };
  }
  if (reached === undefined) {
    say(`highest: ${side} does not keep up with ${plan.risingRates[from] ?? NaN}/s`);
    return from;
  }
  book.add('highest.rate', side, reached.rate);
  for (const name of PERCENTILES) book.add(`highest.${name}`, side, reached.append[name]);
  return reached.index;
}

/**
 * Once, not once per run: what counts is the memory, and a stall takes its time. A side that does not come back from it keeps
 * the other from nothing.
 */
export async function stalledBroker(context: BenchContext): Promise<void> {
  const failures: string[] = [];
  for (const side of context.sides) {
    try {
      await stalledUnder(context, side);
    } catch (error) {
      context.signal.throwIfAborted();
      failures.push(`${side}: ${error instanceof Error ? error.message : String(error)}`);
      context.say(`stalled: ${failures.at(-1) ?? ''}`);
    }
  }
  if (failures.length > 0) throw new Error(failures.join('; '));
}

async function stalledUnder({ plan, lanes, captures, servers, book, say, signal, ...tools }: BenchContext, side: Side): Promise<void> {
  const lane = await lanes.open('image');
  say(`stalled: ${side}, ${plan.stallRate} rows/s while the broker stands still for ${plan.stallSeconds} s`);
  const load = { rate: plan.stallRate, stallSeconds: plan.stallSeconds, brokerPid: await servers.pid('kafka'), signal };
  const { peakMemoryMb, recoveryMs, duplicates } = await measureStalledBroker(captures[side], lane, load, tools);
  say(`stalled: ${side}: ${Math.round(peakMemoryMb)} MB, caught up after ${Math.round(recoveryMs)} ms, ${duplicates} rows twice`);
  book.add('stalled.rss', side, peakMemoryMb);
  book.add('stalled.recovery', side, recoveryMs);
  await lanes.close(lane);
}

function inWords({ p50, p99, p999 }: Percentiles): string {
  return `p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)}, p99.9 ${p999.toFixed(2)} ms`;
}

async function withLoadedLane<T>(context: BenchContext, variant: Loaded, use: (loaded: LoadedLane) => Promise<T>): Promise<T> {
  const lane = await context.lanes.open('image', true);
  const loaded = await LoadedLane.open(context.captures[variant], lane, context);
  let result: T;
  try {
    result = await use(loaded);
  } finally {
    await loaded.close();
  }
  await context.lanes.close(lane);
  await context.writer.empty('image');
  return result;
}
