import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SILENT_LOGGER } from '../../core/log.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { RELAY_PROGRAM } from '../capture/relay-side.ts';
import { thisMachine } from '../machine.ts';
import type { BenchOptions, BenchOutcome, Findings } from '../measurements.ts';
import { makeAll, unlessAborted } from '../measurements.ts';
import { compilePrograms } from '../node-program.ts';
import { Profiler } from '../profiler.ts';
import { benchResult } from '../result.ts';
import { startServers, type OwnServers } from '../servers.ts';
import { AIMS } from './aims.ts';
import type { BenchContext, Programs } from './bench-context.ts';
import { CONSUMER_PROGRAM } from './consumer-run.ts';
import { processingBook, type FigureId, type ProcessingBook, type Variant } from './figures.ts';
import { handlerRuns } from './handler-runs.ts';
import { idleGroups } from './idle-runs.ts';
import { nextReactionRuns } from './next-runs.ts';
import type { Plan } from './plan.ts';
import { soak } from './soak-runs.ts';
import { stepRuns } from './step-runs.ts';

/** The measurements, in the order in which they are made. */
export const MEASUREMENTS = ['handler', 'steps', 'next', 'idle', 'soak'] as const;

export type Measurement = (typeof MEASUREMENTS)[number];

const RUN: Readonly<Record<Measurement, (context: BenchContext) => Promise<void>>> = {
  handler: handlerRuns,
  steps: stepRuns,
  next: nextReactionRuns,
  idle: idleGroups,
  soak,
};

const PROGRAMS: Programs = {
  consumer: CONSUMER_PROGRAM,
  step: 'bench/processing/step-program.ts',
  next: 'bench/processing/next-program.ts',
  relay: RELAY_PROGRAM,
  idle: 'bench/processing/idle-program.ts',
  soak: 'bench/processing/soak-program.ts',
};

export type ProcessingBenchOptions = BenchOptions<Plan, Variant, Measurement>;

export type ProcessingBenchOutcome = BenchOutcome<FigureId, Variant>;

/**
 * Starts the servers, measures, and removes servers and data, also after a failure or an abort (then it rejects with the
 * signal's reason). A measurement that fails does not keep the others from being made.
 */
export async function runProcessingBench(options: ProcessingBenchOptions): Promise<ProcessingBenchOutcome> {
  const machine = thisMachine();
  const { signal, progress, plan, quick } = options;
  const servers = await startServers(['postgres', 'kafka'], signal, progress.report).finally(() => progress.close());
  const book = processingBook();
  try {
    const made = await unlessAborted(measureAll({ ...options, namespace: 'bench' }, servers, book), signal);
    return { result: benchResult({ name: 'processing', quick, machine, runs: plan.runs, book, aims: AIMS }), ...made };
  } finally {
    await servers.remove();
  }
}

/** On servers that run. */
export async function measureAll(
  {
    namespace,
    plan,
    sides,
    only,
    profile,
    signal,
    say,
  }: Omit<ProcessingBenchOptions, 'progress' | 'quick'> & Pick<BenchContext, 'namespace'>,
  servers: Pick<OwnServers, 'postgresUrl' | 'kafkaBrokers' | 'registryUrl' | 'dataFolder'>,
  book: ProcessingBook,
): Promise<Findings> {
  say('compiling the programs');
  const programs = await compilePrograms(PROGRAMS, join(servers.dataFolder, 'program'), signal);
  const driver = createKafkaJsDriver({ brokers: servers.kafkaBrokers, clientId: 'bench', logger: SILENT_LOGGER });
  const [admin, producer] = [driver.admin(), driver.producer({ clientId: 'bench' })];
  const profileFolder = join(servers.dataFolder, 'profiles');
  await mkdir(profileFolder, { recursive: true });
  await producer.start();
  try {
    const profiler = profile ? new Profiler(profileFolder) : undefined;
    const context: BenchContext = { namespace, plan, servers, admin, producer, programs, book, sides, profiler, signal, say };
    const failures = await makeAll(
      MEASUREMENTS.filter((each) => only.includes(each)),
      (measurement) => RUN[measurement](context),
      { signal, say },
    );
    return { hotspots: profiler?.hotspots ?? [], failures };
  } finally {
    await producer.stop();
    await admin.stop();
  }
}
