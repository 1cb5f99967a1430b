import type { BenchContext } from './bench-context.ts';
import { runConsumer, type ConsumerRun, type HandlerOrder } from './consumer-run.ts';
import type { Variant } from './figures.ts';
import { fillTopic, type FilledTopic } from './handler-topic.ts';
import { installParallelConsumer, runParallelConsumer } from './parallel-consumer.ts';

const HANDLER_MS = 5;
const CONCURRENCIES = [200, 1_000] as const;
const WITHIN_MS = 300_000;

type Consumer = Exclude<Variant, 'pgbench'>;
type Concurrency = 12 | (typeof CONCURRENCIES)[number];

/** One topic, read by every side with the same handler, one side after the other within each run. */
export async function handlerRuns(context: BenchContext): Promise<void> {
  const { plan, sides, say } = context;
  const filled: FilledTopic = { topic: `${context.namespace}.handler`, records: plan.records, keys: plan.keys };
  say(`handler: writing ${filled.records} records`);
  await fillTopic(filled, context);
  const javaHome = sides.includes('parallel-consumer') ? await installParallelConsumer(context.signal) : '';
  for (let run = 0; run < plan.runs; run += 1) {
    for (const concurrency of CONCURRENCIES)
      for (const side of ['millrace', 'lanes', 'parallel-consumer'] as const)
        if (sides.includes(side)) await measure(context, side, orderFor(context, filled, run, side, concurrency), javaHome);
    if (sides.includes('each-message')) await measure(context, 'each-message', orderFor(context, filled, run, 'each-message', 12), '');
  }
  if (context.profiler !== undefined && sides.includes('millrace')) await profiled(context, filled, context.profiler.folder);
}

function orderFor(
  { namespace, plan, servers, signal }: BenchContext,
  { topic, records, keys }: FilledTopic,
  run: number,
  side: Consumer,
  concurrency: Concurrency,
): HandlerOrder & { readonly run: number; readonly concurrency: Concurrency } {
  const group = (pass: string): string => `${namespace}.handler.${side}.${concurrency}.${run}.${pass}`;
  const passes =
    side === 'each-message'
      ? [{ group: group('measured'), records: Math.min(plan.slowRecords, records) }]
      : [
          { group: group('warm-up'), records: Math.min(plan.warmUpRecords, records) },
          { group: group('measured'), records },
        ];
  const common = { brokers: servers.kafkaBrokers, topic, topicRecords: records, keys, handlerMs: HANDLER_MS };
  return { ...common, run, concurrency, passes, withinMs: WITHIN_MS, signal };
}

async function measure(context: BenchContext, side: Consumer, order: ReturnType<typeof orderFor>, javaHome: string): Promise<void> {
  const { run, concurrency, ...rest } = order;
  const told = { ...rest, concurrency };
  const made =
    side === 'parallel-consumer'
      ? await runParallelConsumer(javaHome, told)
      : await runConsumer(side, told, { program: context.programs.consumer });
  note(context, side, concurrency, run, order.passes.at(-1)?.records ?? NaN, made);
}

function note(
  { book, say }: BenchContext,
  side: Consumer,
  concurrency: Concurrency,
  run: number,
  records: number,
  made: ConsumerRun,
): void {
  const last = made.outcomes.at(-1);
  if (last === undefined) throw new Error('no pass was measured');
  const rate = (records * 1_000) / last.wallMs;
  const cpu = (last.cpuMs * 1_000) / records;
  say(
    `handler: ${side}, ${concurrency} at a time, run ${run + 1}: ${Math.round(rate)} records/s, ${cpu.toFixed(1)} ms of CPU per 1,000, ` +
      `${Math.round(made.memoryMb)} MB, ${last.commits} commits, ${last.violations} out of order, ${last.repeats} again`,
  );
  book.add(`handler-${concurrency}.rate`, side, rate);
  book.add(`handler-${concurrency}.cpu`, side, cpu);
  book.add(`handler-${concurrency}.rss`, side, made.memoryMb);
  book.add(`handler-${concurrency}.commits`, side, last.commits);
  book.add(`handler-${concurrency}.violations`, side, last.violations);
  book.add(`handler-${concurrency}.repeats`, side, last.repeats);
}

/** The whole loop alone, beside what is timed. */
async function profiled(context: BenchContext, filled: FilledTopic, profileFolder: string): Promise<void> {
  for (const concurrency of CONCURRENCIES) {
    const order = orderFor(context, filled, context.plan.runs, 'millrace', concurrency);
    await runConsumer('millrace', order, { program: context.programs.consumer, profileFolder });
    await context.profiler?.note(`handler of 5 ms, ${concurrency} at a time`);
  }
}
