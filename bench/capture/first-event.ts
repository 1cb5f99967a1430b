import type { BenchContext } from './bench-context.ts';
import type { RunningCapture } from './capture.ts';
import { TopicWatch } from './topic-watch.ts';

const STILL_MS = 120_000;

/**
 * From the start of the process to the first event in Kafka; a row waits for it. Of Debezium the process is Kafka Connect,
 * which finds its connector registered; of the relay, Node.
 */
export async function firstEventRuns(context: BenchContext): Promise<void> {
  const { plan, sides, book, say } = context;
  for (let run = 0; run < plan.runs; run += 1) {
    for (const side of sides) {
      const ms = side === 'millrace' ? await firstEventOfRelay(context) : await firstEventOfDebezium(context);
      say(`start: ${side}, run ${run + 1}: first event after ${Math.round(ms)} ms`);
      book.add('start.first-event', side, ms);
    }
  }
}

async function firstEventOfRelay({ lanes, writer, captures, admin }: BenchContext): Promise<number> {
  const lane = await lanes.open('image');
  const watch = new TopicWatch(admin, lane.topic);
  await writer.write('image', 1, 1);
  await watch.sample();
  const started = performance.now();
  const running = await captures.millrace.start(lane);
  const ms = await firstEventMs(watch, 1, started, running);
  await running.stop();
  await lanes.close(lane);
  return ms;
}

async function firstEventOfDebezium({ lanes, writer, captures, servers, admin }: BenchContext): Promise<number> {
  const lane = await lanes.open('image');
  const watch = new TopicWatch(admin, lane.topic);
  const connector = await captures.debezium.start(lane);
  await writer.write('image', 1, 1);
  await watch.until(1, { check: () => connector.assertRunning(), stillMs: STILL_MS });
  await servers.stopConnect();
  await writer.write('image', 1, 1);
  // A position that was not stored before the stop lets the first row come again: it is an event as well.
  const before = (await watch.sample()).records;
  const started = performance.now();
  const [ms] = await Promise.all([firstEventMs(watch, before + 1, started, undefined), servers.startConnect()]);
  await connector.stop();
  await lanes.close(lane);
  return ms;
}

async function firstEventMs(watch: TopicWatch, records: number, started: number, running: RunningCapture | undefined): Promise<number> {
  const samples = await watch.until(records, { check: async () => running?.assertRunning(), stillMs: STILL_MS });
  return (samples.at(-1)?.atMs ?? NaN) - started;
}
