import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bundlePrograms } from '../../bundle.ts';
import { freePorts } from '../../stack/ports.ts';
import { thisMachine } from '../machine.ts';
import type { BenchOptions, BenchOutcome } from '../measurements.ts';
import { makeAll, unlessAborted } from '../measurements.ts';
import { compilePrograms, startProgram, type RunningProgram } from '../node-program.ts';
import { coreWaitMs, cpuMs } from '../process-usage.ts';
import { Profiler } from '../profiler.ts';
import { benchResult } from '../result.ts';
import { startServers, type OwnServers } from '../servers.ts';
import { startApi, type RunningApi } from './api-side.ts';
import { AIMS, authCheckBook, type AuthCheckBook, type FigureId, type Rate } from './figures.ts';
import type { LoadOrder, LoadPass, LoadResult } from './load-program.ts';

export interface Plan {
  readonly runs: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

export const FULL_PLAN: Plan = { runs: 3, seconds: 30, warmUpSeconds: 15 };
export const QUICK_PLAN: Plan = { runs: 1, seconds: 10, warmUpSeconds: 10 };

/** More than a gateway opens; a request that finds none free would wait for one. */
const CONNECTIONS = 64;
const USERS = 1_000;
const HISTOGRAM = 'millrace_http_request_duration_seconds';
const ROUTE = 'method="POST",route="/api/v1/auth/check"';

type AuthCheckBenchOptions = BenchOptions<Plan, 'millrace', `${Rate}`>;

/** Starts the servers, measures, and removes servers and data, also after a failure or an abort (then it rejects with the signal's reason). */
export async function runAuthCheckBench(options: AuthCheckBenchOptions): Promise<BenchOutcome<FigureId, 'millrace'>> {
  const machine = thisMachine();
  const { signal, progress, plan, quick } = options;
  const servers = await startServers(['postgres', 'redis'], signal, progress.report).finally(() => progress.close());
  const book = authCheckBook();
  try {
    const found = await unlessAborted(measure(options, servers, book), signal);
    return { result: benchResult({ name: 'auth-check', quick, machine, runs: plan.runs, book, aims: AIMS }), ...found };
  } finally {
    await servers.remove();
  }
}

async function measure(options: AuthCheckBenchOptions, servers: OwnServers, book: AuthCheckBook) {
  const { plan, only, profile, signal, say } = options;
  say('bundling the API and compiling the load');
  const folder = join(servers.dataFolder, 'bundle');
  await bundlePrograms({ programs: { main: 'cli/main.ts' }, folder });
  const programs = { load: 'bench/auth-check/load-program.ts', api: 'cli/main.ts' };
  const compiled = await compilePrograms(programs, join(servers.dataFolder, 'program'), signal);
  const bundled = join(folder, 'main.js');

  const session = async (api: string, profileFolder: string | undefined, use: (side: Sides) => Promise<void>): Promise<void> => {
    const [port = 0] = await freePorts(1);
    const running = await startApi({ servers, program: api, port, users: USERS, profileFolder });
    const order: LoadOrder = { port: running.port, tokenFile: running.tokenFile, connections: CONNECTIONS };
    const load = await startProgram({ program: compiled.load, order });
    try {
      await pass(load, { perSecond: 1_000, seconds: plan.warmUpSeconds });
      await use({ api: running, load });
    } finally {
      await load.stop();
      await running.stop();
    }
  };
  const rates = (side: Sides, into: AuthCheckBook) =>
    makeAll(only, (rate) => atRate(side, Number(rate) as Rate, plan.seconds, into, say), { signal, say });

  const failures: string[] = [];
  for (let run = 0; run < plan.runs; run += 1) {
    await session(bundled, undefined, async (side) => void failures.push(...(await rates(side, book))));
  }
  if (!profile) return { hotspots: [], failures };
  const profiler = new Profiler(join(servers.dataFolder, 'profiles'));
  await mkdir(profiler.folder);
  // A bundle has no files to tell functions apart by.
  await session(compiled.api, profiler.folder, async (side) => void failures.push(...(await rates(side, authCheckBook()))));
  await profiler.note('all rates');
  return { hotspots: profiler.hotspots, failures };
}

interface Sides {
  readonly api: RunningApi;
  readonly load: RunningProgram;
}

async function pass(load: RunningProgram, order: LoadPass): Promise<LoadResult> {
  load.tell(order);
  return (await load.next()) as LoadResult;
}

async function atRate({ api, load }: Sides, rate: Rate, seconds: number, book: AuthCheckBook, say: (text: string) => void): Promise<void> {
  const count = async () => ({
    all: await api.metric(`${HISTOGRAM}_count`, ROUTE),
    within: await api.metric(`${HISTOGRAM}_bucket`, `le="0.005",service="millrace-api",${ROUTE}`),
    sum: await api.metric(`${HISTOGRAM}_sum`, ROUTE),
    gc: await api.metric('nodejs_gc_duration_seconds_sum'),
    cpu: cpuMs(api.pid),
    wait: coreWaitMs(api.pid),
  });
  const before = await count();
  const { late, ...client } = await pass(load, { perSecond: rate, seconds });
  const after = await count();
  const answered = after.all - before.all;
  const figures = {
    ...client,
    'server-mean': ((after.sum - before.sum) / answered) * 1_000,
    'server-within': ((after.within - before.within) / answered) * 100,
    cpu: ((after.cpu - before.cpu) / answered) * 1_000,
    wait: (after.wait - before.wait) / seconds / 10,
    gc: ((after.gc - before.gc) / seconds) * 100,
    late,
  };
  for (const [part, value] of Object.entries(figures)) book.add(`${rate}.${part}` as FigureId, 'millrace', value);
  say(
    `${rate}/s: ${Object.entries(figures)
      .map(([part, value]) => `${part} ${value.toFixed(2)}`)
      .join(', ')}`,
  );
}
