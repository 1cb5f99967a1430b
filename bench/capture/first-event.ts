import type { BenchContext } from './bench-context.ts';
import type { Lane } from './lane.ts';
import { RecordCount } from './record-count.ts';

const WITHIN_MS = 120_000;

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

async function firstEventOfRelay(context: BenchContext): Promise<number> {
  const { writer, captures } = context;
  return atWatchedLane(context, async (lane, count) => {
    await writer.write('image', 1, 1);
    const started = performance.now();
    const running = await captures.millrace.start(lane);
    try {
      return (await count.until(1, { check: () => running.assertRunning(), withinMs: WITHIN_MS })) - started;
    } finally {
      await running.stop();
    }
  });
}

async function firstEventOfDebezium(context: BenchContext): Promise<number> {
  const { writer, captures, servers } = context;
  return atWatchedLane(context, async (lane, count) => {
    const connector = await captures.debezium.start(lane);
    await writer.write('image', 1, 1);
    await count.until(1, { check: () => connector.assertRunning(), withinMs: WITHIN_MS });
    await servers.stopConnect();
    await writer.write('image', 1, 1);
    // A position that was not stored before the stop lets the first row come again: it is an event as well.
    const wanted = count.records + 1;
    const started = performance.now();
    const first = count.until(wanted, { check: async () => undefined, withinMs: WITHIN_MS });
    const [atMs] = await Promise.all([first, servers.startConnect()]);
    await connector.stop();
    return atMs - started;
  });
}

async function atWatchedLane(
  { lanes, driver }: BenchContext,
  measure: (lane: Lane, count: RecordCount) => Promise<number>,
): Promise<number> {
  const lane = await lanes.open('image');
  const count = new RecordCount(driver, lane.topic);
  let ms: number;
  try {
    await count.start();
    ms = await measure(lane, count);
  } finally {
    await count.stop();
  }
  await lanes.close(lane);
  return ms;
}
