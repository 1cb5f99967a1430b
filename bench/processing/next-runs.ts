import { percentile } from '../statistics.ts';
import { relaySide } from '../capture/relay-side.ts';
import { Lanes } from '../capture/lane.ts';
import { OutboxWriter } from '../capture/outbox-table.ts';
import { BUSY_NODE_OPTIONS } from '../../runtime/node-options.ts';
import { startProgram, type RunningProgram } from '../node-program.ts';
import type { BenchContext } from './bench-context.ts';
import type { ExpectedEvents, NextProgramOrder, ReactionTimes } from './next-program.ts';
import { StepDatabase } from './step-database.ts';

const PER_SECOND = 500;
const WARM_UP_SECONDS = 2;

/**
 * From the commit of an event in one database, by the relay and Kafka, to the reaction in another one: when it begins, and
 * when its own transaction is committed. Writer, relay and group are processes of their own.
 */
export async function nextReactionRuns(context: BenchContext): Promise<void> {
  if (!context.sides.includes('millrace')) return;
  const { namespace, plan, servers, programs, admin } = context;
  const writer = await OutboxWriter.create(servers.postgresUrl, `${namespace}_outbox`);
  const steps = await StepDatabase.create(servers.postgresUrl, `${namespace}_next`);
  const lanes = new Lanes(admin, writer.url, namespace);
  const lane = await lanes.open('image');
  const relay = await relaySide({ servers, databaseUrl: writer.url, program: programs.relay, wire: 'json' }).start(lane);
  const order: NextProgramOrder = {
    brokers: servers.kafkaBrokers,
    topic: lane.topic,
    group: `${lane.topic}.reactions`,
    databaseUrl: steps.url,
  };
  const group = await startProgram({ program: programs.next, order, nodeOptions: BUSY_NODE_OPTIONS });
  try {
    await group.next();
    await pass(group, writer, PER_SECOND * WARM_UP_SECONDS);
    for (let run = 0; run < plan.runs; run += 1) note(context, run, await pass(group, writer, PER_SECOND * plan.nextSeconds));
  } finally {
    await group.stop();
    await relay.stop();
  }
  await lanes.close(lane);
}

interface Latencies {
  readonly begunMs: Float64Array;
  readonly doneMs: Float64Array;
}

async function pass(group: RunningProgram, writer: OutboxWriter, rows: number): Promise<Latencies> {
  const first = writer.take(rows);
  group.tell({ first, rows } satisfies ExpectedEvents);
  await group.next();
  const [committed, times] = await Promise.all([
    writer.writePaced('image', { first, rows, perSecond: PER_SECOND, durable: true }),
    group.next() as Promise<ReactionTimes>,
  ]);
  const sinceCommit = (micros: readonly number[]): Float64Array => committed.map((at, index) => ((micros[index] ?? NaN) - at) / 1_000);
  return { begunMs: sinceCommit(times.begun), doneMs: sinceCommit(times.done) };
}

function note({ book, say }: BenchContext, run: number, { begunMs, doneMs }: Latencies): void {
  const [begins50, begins99] = [percentile(begunMs, 0.5), percentile(begunMs, 0.99)];
  const [done50, done99] = [percentile(doneMs, 0.5), percentile(doneMs, 0.99)];
  say(
    `next reaction, run ${run + 1}: begins p50 ${begins50.toFixed(2)}, p99 ${begins99.toFixed(2)} ms; ` +
      `is committed p50 ${done50.toFixed(2)}, p99 ${done99.toFixed(2)} ms`,
  );
  book.add('next.begins.p50', 'millrace', begins50);
  book.add('next.begins.p99', 'millrace', begins99);
  book.add('next.done.p50', 'millrace', done50);
  book.add('next.done.p99', 'millrace', done99);
}
