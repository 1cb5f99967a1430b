import { setTimeout as sleep } from 'node:timers/promises';
import { BUSY_NODE_OPTIONS } from '../../runtime/node-options.ts';
import { startProgram, type RunningProgram } from '../node-program.ts';
import { peakMemoryMb } from '../process-usage.ts';
import type { BenchContext } from './bench-context.ts';
import { slopePerMinute } from './slope.ts';
import { poisonAmong, writeEvenly } from './soak-load.ts';
import type { SoakProgramOrder, SoakSample } from './soak-program.ts';

const PARTITIONS = 12;
const SAMPLES = 60;
/** The first part of the time is left to the process to find its size. */
const WARM_UP_SHARE = 0.2;
const DRAIN_WITHIN_MS = 60_000;
const DRAIN_POLL_MS = 200;

/** A long steady load of which one record in a hundred always fails: the memory must not grow, and exactly those are dead-lettered. */
export async function soak(context: BenchContext): Promise<void> {
  if (!context.sides.includes('millrace')) return;
  const { namespace, plan, servers, programs, admin, producer, say, signal } = context;
  const [topic, deadLetterTopic] = [`${namespace}.soak`, `${namespace}.soak.dlt`];
  await admin.ensureTopics(
    [topic, deadLetterTopic].map((each) => ({ topic: each, partitions: PARTITIONS, retentionMs: 86_400_000, replicationFactor: 1 })),
  );
  say(`soak: ${plan.soakRate} records/s for ${plan.soakSeconds} s`);
  const order: SoakProgramOrder = { brokers: servers.kafkaBrokers, topic, deadLetterTopic };
  const running = await startProgram({ program: programs.soak, order, nodeOptions: [...BUSY_NODE_OPTIONS, '--expose-gc'] });
  try {
    await running.next();
    const began = performance.now();
    const load = { topic, keys: plan.keys, perSecond: plan.soakRate, seconds: plan.soakSeconds, signal };
    const writing = writeEvenly(producer, load);
    // Told apart from a failure of the sampling, which would leave it unheard.
    writing.catch(() => undefined);
    const samples = await sampled(running, plan.soakSeconds, began, signal);
    const records = await writing;
    const last = await drained(running, records);
    note(context, records, { samples, last, peakMb: peakMemoryMb(running.pid), seconds: (performance.now() - began) / 1_000 });
  } finally {
    await running.stop();
  }
}

interface TimedSample extends SoakSample {
  readonly atMs: number;
}

async function sampled(running: RunningProgram, seconds: number, began: number, signal: AbortSignal): Promise<TimedSample[]> {
  const samples: TimedSample[] = [];
  for (let turn = 1; turn <= SAMPLES; turn += 1) {
    await sleep(Math.max(0, began + (seconds * 1_000 * turn) / SAMPLES - performance.now()), undefined, { signal });
    samples.push({ ...(await ask(running)), atMs: performance.now() - began });
  }
  return samples;
}

async function ask(running: RunningProgram): Promise<SoakSample> {
  running.tell({ sample: true });
  return (await running.next()) as SoakSample;
}

/** @throws Error when records are left. */
async function drained(running: RunningProgram, records: number): Promise<SoakSample> {
  for (const deadline = Date.now() + DRAIN_WITHIN_MS; ;) {
    const sample = await ask(running);
    if (sample.acked + sample.deadLettered === records && sample.inFlight === 0) return sample;
    if (Date.now() > deadline) throw new Error(`${sample.acked} acked and ${sample.deadLettered} dead-lettered of ${records} records`);
    await sleep(DRAIN_POLL_MS);
  }
}

function note(
  { book, say }: BenchContext,
  records: number,
  made: { readonly samples: readonly TimedSample[]; readonly last: SoakSample; readonly peakMb: number; readonly seconds: number },
): void {
  const later = made.samples.slice(Math.floor(made.samples.length * WARM_UP_SHARE));
  const heap = slopePerMinute(later.map(({ atMs, heapMb }) => ({ atMs, value: heapMb })));
  const rss = slopePerMinute(later.map(({ atMs, rssMb }) => ({ atMs, value: rssMb })));
  const share = (made.last.deadLettered / poisonAmong(records)) * 100;
  say(
    `soak: ${records} records, ${made.last.deadLettered} dead-lettered; per minute the heap grows by ${heap.toFixed(2)} MB ` +
      `and the resident set by ${rss.toFixed(2)} MB; peak ${Math.round(made.peakMb)} MB`,
  );
  book.add('soak.rate', 'millrace', records / made.seconds);
  book.add('soak.dead-lettered', 'millrace', share);
  book.add('soak.heap-slope', 'millrace', heap);
  book.add('soak.rss-slope', 'millrace', rss);
  book.add('soak.rss', 'millrace', made.peakMb);
}
