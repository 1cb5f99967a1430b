import { captureSource } from '../connectors/outbox/relay.ts';
import { automaticRepair } from '../connectors/outbox/repair/automatic-repair.ts';
import type { RepairOptions, RepairRequest } from '../connectors/outbox/repair/repair-capture.ts';
import { repairCapture } from '../connectors/outbox/repair/repair-capture.ts';
import type { RepairReport } from '../connectors/outbox/repair/repair-report.ts';
import { readCaptureOwner, type CaptureOwner } from '../connectors/replication/capture-owner.ts';
import type { Assessment } from '../connectors/replication/source-identity.ts';
import { withSqlSession } from '../connectors/replication/sql-session.ts';
import { topicsOf } from '../schemas/topics.ts';
import type { PayloadEncoder } from '../core/codec.ts';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { DomainDefinition } from '../core/define.ts';
import type { ClassifiedError } from '../core/errors.ts';
import { ClassifiedError as Classified } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { NO_METRICS } from '../core/metrics.ts';
import type { Config } from './config.ts';
import { Connections } from './connections.ts';
import { captureUrl, databaseUrl } from './database-url.ts';
import { Lifecycle } from './lifecycle.ts';
import { createPayloads } from './payloads.ts';
import { createSourceIdentity } from './source-identity.ts';
import { systemClock } from './telemetry/system-clock.ts';

export interface RepairSurroundings {
  readonly pipeline: PipelineDefinition;
  readonly connections: Connections;
  readonly metrics: Metrics;
  readonly encoder: PayloadEncoder;
}

function repairOptions(domain: DomainDefinition, { pipeline, connections, metrics, encoder }: RepairSurroundings): RepairOptions {
  const { config, logger } = connections;
  return {
    domain: domain.name,
    source: captureSource(domain.name, databaseUrl(config, domain.name), config.names),
    replicationUrl: captureUrl(config, domain.name),
    names: config.names,
    routes: new Set(domain.events.map(({ route }) => route)),
    identity: createSourceIdentity(domain, connections),
    memory: connections.sourceMemory(),
    reader: connections.logReader(),
    producer: connections.batchProducer(),
    encoder,
    deadLetterDialects: config.deadLetters.dialects,
    ensureTopics: async () => {
      const admin = connections.broker().admin();
      try {
        await admin.ensureTopics(topicsOf(pipeline, config.names, config.kafka.replicationFactor));
      } finally {
        await admin.stop();
      }
    },
    metrics,
    logger,
    clock: systemClock,
  };
}

/** How the relay of a domain closes its gap; undefined: it waits for somebody to do so. */
export function repairOf(domain: DomainDefinition, surroundings: RepairSurroundings) {
  if (surroundings.connections.config.capture.repair === 'manual') return undefined;
  let repair: ReturnType<typeof automaticRepair> | undefined;
  return (error: ClassifiedError, signal: AbortSignal): Promise<void> => {
    repair ??= automaticRepair(repairOptions(domain, surroundings));
    return repair(error, signal);
  };
}

export interface DomainStanding {
  readonly domain: string;
  readonly slot: string;
  /** Who may read from the slot; undefined when that could not be asked. */
  readonly owner: CaptureOwner | undefined;
  readonly assessment: Assessment | undefined;
  /** Why nothing could be told. */
  readonly error: ClassifiedError | undefined;
}

async function ownerOf({ name }: DomainDefinition, connections: Connections): Promise<CaptureOwner> {
  return withSqlSession(databaseUrl(connections.config, name), async (sql) => (await readCaptureOwner(sql, name)) ?? 'relay');
}

/** The slot moves under Debezium, which tells our memory nothing: that is no finding. What is lost meanwhile, the way back finds. */
function withoutItsOwnSteps(assessment: Assessment): Assessment {
  return { ...assessment, findings: assessment.findings.filter(({ code }) => code !== 'SLOT_AHEAD') };
}

/** Looks at the source of each captured domain, or of one. Changes nothing. */
export async function captureStandings(
  pipeline: PipelineDefinition,
  config: Config,
  logger: Logger,
  only?: string,
): Promise<DomainStanding[]> {
  return withConnections(pipeline, config, logger, async (connections) =>
    Promise.all(
      capturedDomains(pipeline, only).map(async (domain) => {
        const head = { domain: domain.name, slot: config.names.slot(domain.name) };
        try {
          const owner = await ownerOf(domain, connections);
          const assessment = await createSourceIdentity(domain, connections).assess();
          return { ...head, owner, assessment: owner === 'debezium' ? withoutItsOwnSteps(assessment) : assessment, error: undefined };
        } catch (thrown) {
          if (thrown instanceof Classified) return { ...head, owner: undefined, assessment: undefined, error: thrown };
          throw thrown;
        }
      }),
    ),
  );
}

export interface RepairCommand extends Omit<RepairRequest, 'progress'> {
  readonly domain: string | undefined;
  readonly progress: (domain: string, step: string) => void;
  readonly onReport: (report: RepairReport) => void;
  /** Debezium captures the domain: nothing was looked at. `remedy` tells the way to a repair. */
  readonly onLeftAlone: (domain: string, remedy: string) => void;
  readonly onError: (domain: string, error: ClassifiedError) => void;
}

/** Repairs one domain after the other; one that fails does not keep the others from it. */
export async function repairCaptures(pipeline: PipelineDefinition, config: Config, logger: Logger, command: RepairCommand): Promise<void> {
  await withConnections(pipeline, config, logger, async (connections) => {
    const { encoder } = createPayloads(pipeline, connections);
    for (const domain of capturedDomains(pipeline, command.domain)) {
      command.signal.throwIfAborted();
      const options = repairOptions(domain, { pipeline, connections, metrics: NO_METRICS, encoder });
      try {
        if (await isDebeziums(domain, connections, command)) continue;
        command.onReport(await repairCapture(options, { ...command, progress: (step) => command.progress(domain.name, step) }));
      } catch (thrown) {
        if (!(thrown instanceof Classified)) throw thrown;
        command.onError(domain.name, thrown);
      }
    }
  });
}

/** The slot moves under Debezium without our memory, and is in use: only the way back tells its steps from a gap. */
async function isDebeziums({ name }: DomainDefinition, connections: Connections, { domain, onLeftAlone }: RepairCommand): Promise<boolean> {
  const owner = await withSqlSession(databaseUrl(connections.config, name), async (sql) => readCaptureOwner(sql, name));
  if (owner !== 'debezium') return false;
  const wayBack = `\`millrace slot handover --domain ${name} --to relay\` finds what is missing, and the repair comes after it`;
  if (domain !== undefined) throw new Classified('SLOT_IN_USE', `Debezium captures ${name}: ${wayBack}`);
  onLeftAlone(name, wayBack);
  return true;
}

function capturedDomains(pipeline: PipelineDefinition, only: string | undefined): DomainDefinition[] {
  return pipeline.domains.filter(({ name, captured }) => captured && (only === undefined || name === only));
}

async function withConnections<T>(
  pipeline: PipelineDefinition,
  config: Config,
  logger: Logger,
  work: (connections: Connections) => Promise<T>,
): Promise<T> {
  const connections = new Connections(pipeline, config, logger, 'millrace-slot');
  // Opened before they are started, so that what starts is all of it.
  connections.producer();
  connections.batchProducer();
  connections.logReader();
  const lifecycle = new Lifecycle(connections.services(), logger);
  try {
    await lifecycle.start(new AbortController().signal);
    return await work(connections);
  } finally {
    await lifecycle.stop(5_000);
  }
}
