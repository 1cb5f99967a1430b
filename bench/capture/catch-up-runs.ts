import type { BenchContext } from './bench-context.ts';
import { measureCatchUp, type CatchUp } from './catch-up.ts';
import type { Lane } from './lane.ts';
import type { Domain } from './outbox-table.ts';
import { verifyTopic } from './verify.ts';

type Shape = 'one-row' | 'bulk' | 'large';

type Measured = 'millrace' | 'debezium' | 'millrace-avro' | 'millrace-bytea' | 'debezium-defaults';

const BULK_ROWS = 1_000;

/** Catch-up over rows in one-row transactions; Avro encoded by the relay and ready bytes beside the JSON that both sides write. */
export async function oneRowCatchUp(context: BenchContext): Promise<void> {
  const { plan } = context;
  const own: Measured[] = context.sides.includes('millrace') ? ['millrace', 'millrace-avro'] : [];
  const theirs: Measured[] = context.sides.includes('debezium') ? ['debezium'] : [];
  await catchUpRuns(context, {
    shape: 'one-row',
    domain: 'image',
    rows: plan.catchUpRows,
    perTransaction: 1,
    variants: [...own, ...theirs],
  });
  if (theirs.length > 0) {
    await catchUpRuns(context, {
      shape: 'one-row',
      domain: 'image',
      rows: plan.warmUpRows,
      perTransaction: 1,
      variants: ['debezium-defaults'],
      runs: 1,
    });
  }
  if (own.length > 0) {
    await catchUpRuns(context, {
      shape: 'one-row',
      domain: 'framed',
      rows: plan.framedRows,
      perTransaction: 1,
      variants: ['millrace-bytea'],
    });
  }
}

export async function bulkCatchUp(context: BenchContext): Promise<void> {
  const rows = context.plan.catchUpRows;
  await catchUpRuns(context, { shape: 'bulk', domain: 'image', rows, perTransaction: BULK_ROWS, variants: context.sides });
}

/** One transaction of all rows: what counts is the memory. */
export async function largeTransaction(context: BenchContext): Promise<void> {
  const rows = context.plan.largeRows;
  await catchUpRuns(context, { shape: 'large', domain: 'image', rows, perTransaction: rows, variants: context.sides, runs: 1 });
}

/** The first rows of a worker that was just started, and then more of them until it is warm. */
export async function warmUpDebezium(context: BenchContext): Promise<void> {
  const { plan, lanes, writer, captures, book, say } = context;
  const opened = [await lanes.open('image'), await lanes.open('image'), await lanes.open('image')];
  await writer.write('image', plan.warmUpRows, 1);
  for (const [index, lane] of opened.entries()) {
    const measured = await measureCatchUp(captures.debezium, lane, plan.warmUpRows, context);
    if (index === 0) book.add('one-row.rate', 'debezium-cold', measured.rowsPerSecond);
    say(`warming up Debezium: ${Math.round(measured.rowsPerSecond)} rows/s`);
    await lanes.close(lane);
  }
  await writer.empty('image');
}

interface CatchUpOrder {
  readonly shape: Shape;
  readonly domain: Domain;
  readonly rows: number;
  readonly perTransaction: number;
  readonly variants: readonly Measured[];
  readonly runs?: number;
}

/** Every run of every variant has a slot of its own, made before the rows are written once: all read the same WAL. */
async function catchUpRuns(context: BenchContext, order: CatchUpOrder): Promise<void> {
  const { shape, domain, rows, perTransaction, variants } = order;
  const { lanes, writer, captures, driver, servers, say } = context;
  const tools = { ...context, brokerPid: await servers.pid('kafka') };
  const profiled = variants.includes('millrace') && shape !== 'large' ? context.profiled : undefined;
  const profiledLane = profiled === undefined ? undefined : await lanes.open(domain);
  const runs: Map<Measured, Lane>[] = [];
  for (let run = 0; run < (order.runs ?? context.plan.runs); run += 1) {
    const ofRun = new Map<Measured, Lane>();
    for (const variant of variants) ofRun.set(variant, await lanes.open(domain));
    runs.push(ofRun);
  }
  say(`${shape}: writing ${rows} rows, ${perTransaction} per transaction`);
  const first = await writer.write(domain, rows, perTransaction);
  for (const [run, ofRun] of runs.entries()) {
    for (const [variant, lane] of ofRun) {
      const measured = await measureCatchUp(captures[variant], lane, rows, tools);
      say(`${shape}: ${variant}, run ${run + 1}: ${describe(measured)}`);
      note(context, shape, variant, measured);
      // Outside of what is timed, and once: the runs differ in nothing.
      if (run === 0) {
        const duplicates = await verifyTopic(driver, lane.topic, { first, rows });
        if (duplicates > 0) say(`${shape}: ${variant} wrote ${duplicates} rows twice`);
      }
      await lanes.close(lane);
    }
  }
  if (profiled !== undefined && profiledLane !== undefined) {
    await measureCatchUp(profiled.capture, profiledLane, rows, context);
    await profiled.profiler.note(shape);
    await lanes.close(profiledLane);
  }
  await writer.empty(domain);
}

function note({ book }: BenchContext, shape: Shape, variant: Measured, measured: CatchUp): void {
  book.add(`${shape}.rate`, variant, measured.rowsPerSecond);
  book.add(`${shape}.rss`, variant, measured.peakMemoryMb);
  if (shape === 'large') return;
  book.add(`${shape}.cpu`, variant, measured.cpuMicrosPerEvent);
  book.add(`${shape}.capture`, variant, measured.captureBusy);
  book.add(`${shape}.walsender`, variant, measured.walsenderBusy);
  if (measured.brokerMicrosPerEvent !== undefined) book.add(`${shape}.broker`, variant, measured.brokerMicrosPerEvent);
}

function describe(measured: CatchUp): string {
  const { rowsPerSecond, cpuMicrosPerEvent, brokerMicrosPerEvent, captureBusy, walsenderBusy, peakMemoryMb } = measured;
  const broker = brokerMicrosPerEvent === undefined ? '' : ` (the broker's ${brokerMicrosPerEvent.toFixed(1)})`;
  return (
    `${Math.round(rowsPerSecond)} rows/s, ${cpuMicrosPerEvent.toFixed(1)} µs of CPU per event${broker}, capture ${Math.round(captureBusy)} % ` +
    `and walsender ${Math.round(walsenderBusy)} % of a core, ${Math.round(peakMemoryMb)} MB`
  );
}
