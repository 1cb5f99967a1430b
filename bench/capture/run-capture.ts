import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SILENT_LOGGER } from '../../core/log.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { bundlePrograms } from '../../bundle.ts';
import { thisMachine } from '../machine.ts';
import type { BenchOptions, BenchOutcome, Findings } from '../measurements.ts';
import { makeAll, unlessAborted } from '../measurements.ts';
import { compileProgram } from '../node-program.ts';
import { Profiler } from '../profiler.ts';
import { benchResult } from '../result.ts';
import { startServers, type OwnServers } from '../servers.ts';
import { AIMS } from './aims.ts';
import type { BenchContext } from './bench-context.ts';
import { bulkCatchUp, largeTransaction, oneRowCatchUp, warmUpDebezium } from './catch-up-runs.ts';
import { debeziumSide } from './debezium-side.ts';
import { captureBook, type CaptureBook, type FigureId, type Side, type Variant } from './figures.ts';
import { firstEventRuns } from './first-event.ts';
import { Lanes } from './lane.ts';
import { highestRuns, stalledBroker, steadyRuns } from './load-runs.ts';
import { OutboxWriter } from './outbox-table.ts';
import type { Plan } from './plan.ts';
import { RELAY_PROGRAM, relaySide } from './relay-side.ts';

/** The measurements, in the order in which they are made. The first one restarts Kafka Connect, so the warming-up comes after it. */
export const MEASUREMENTS = ['start', 'one-row', 'bulk', 'large', 'steady', 'highest', 'stalled'] as const;

const PARTS = ['postgres', 'kafka', 'registry', 'debezium'] as const;

export type Measurement = (typeof MEASUREMENTS)[number];

const RUN: Readonly<Record<Measurement, (context: BenchContext) => Promise<void>>> = {
  start: firstEventRuns,
  'one-row': oneRowCatchUp,
  bulk: bulkCatchUp,
  large: largeTransaction,
  steady: steadyRuns,
  highest: highestRuns,
  stalled: stalledBroker,
};

export type CaptureBenchOptions = BenchOptions<Plan, Side, Measurement>;

export type CaptureBenchOutcome = BenchOutcome<FigureId, Variant>;

/**
 * Starts the servers, measures, and removes servers and data, also after a failure or an abort (then it rejects with the
 * signal's reason). A measurement that fails does not keep the others from being made.
 */
export async function runCaptureBench(options: CaptureBenchOptions): Promise<CaptureBenchOutcome> {
  const machine = thisMachine();
  const servers = await startServers(PARTS, options.signal, options.progress.report).finally(() => options.progress.close());
  const book = captureBook();
  try {
    const made = await unlessAborted(measure(options, servers, book), options.signal);
    return { result: benchResult({ name: 'capture', quick: options.quick, machine, runs: options.plan.runs, book, aims: AIMS }), ...made };
  } finally {
    await servers.remove();
  }
}

async function measure(
  { plan, sides, only, profile, signal, say }: CaptureBenchOptions,
  servers: OwnServers,
  book: CaptureBook,
): Promise<Findings> {
  say('bundling the relay');
  const folder = join(servers.dataFolder, 'bundle');
  await bundlePrograms({ programs: { relay: RELAY_PROGRAM }, folder });
  const program = join(folder, 'relay.js');
  // A bundle has no files to tell functions apart by.
  const inFiles = profile ? await compileProgram(RELAY_PROGRAM, join(servers.dataFolder, 'program'), signal) : program;
  const driver = createKafkaJsDriver({ brokers: servers.kafkaBrokers, clientId: 'bench', logger: SILENT_LOGGER });
  const admin = driver.admin();
  try {
    const writer = await OutboxWriter.create(servers.postgresUrl, 'bench');
    const relay = { servers, databaseUrl: writer.url, program, wire: 'json' as const };
    const profileFolder = join(servers.dataFolder, 'profiles');
    await mkdir(profileFolder);
    const context: BenchContext = {
      plan,
      servers,
      admin,
      driver,
      writer,
      lanes: new Lanes(admin, writer.url),
      book,
      sides,
      captures: {
        millrace: relaySide(relay),
        'millrace-bytea': relaySide(relay),
        'millrace-avro': relaySide({ ...relay, wire: 'avro' }),
        debezium: debeziumSide(servers, writer.url, 'tuned'),
        'debezium-defaults': debeziumSide(servers, writer.url, 'defaults'),
      },
      profiled: profile
        ? { capture: relaySide({ ...relay, program: inFiles, profileFolder }), profiler: new Profiler(profileFolder) }
        : undefined,
      signal,
      say,
    };
    let warm = !sides.includes('debezium');
    const failures = await makeAll(
      MEASUREMENTS.filter((each) => only.includes(each)),
      async (measurement) => {
        if (!warm && measurement !== 'start') await warmUpDebezium(context);
        warm ||= measurement !== 'start';
        await RUN[measurement](context);
      },
      { signal, say },
    );
    return { hotspots: context.profiled?.profiler.hotspots ?? [], failures };
  } finally {
    await admin.stop();
  }
}
