import type { BrokerAdmin } from '../core/broker.ts';
import { ClassifiedError } from '../core/errors.ts';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { DomainDefinition } from '../core/define.ts';
import type { Logger } from '../core/log.ts';
import { NO_METRICS } from '../core/metrics.ts';
import { captureSource } from '../connectors/outbox/relay.ts';
import { writeCaptureOwner } from '../connectors/replication/capture-owner.ts';
import { assertLogical, ensureCaptureSource } from '../connectors/replication/capture-source.ts';
import { readSlot } from '../connectors/replication/slot.ts';
import { readSourceRow } from '../connectors/replication/source-facts.ts';
import { withSqlSession } from '../connectors/replication/sql-session.ts';
import { indexExists } from '../projectors/elasticsearch/index-exists.ts';
import { subjectsOf } from '../schemas/event-schema.ts';
import { topicsOf } from '../schemas/topics.ts';
import { applyConnectors } from './apply-connectors.ts';
import { capturerOf } from './capture.ts';
import { createProjector } from './compose.ts';
import type { Config } from './config.ts';
import { Connections } from './connections.ts';
import { captureUrl, databaseUrl, PLATFORM } from './database-url.ts';
import { Lifecycle } from './lifecycle.ts';
import type { Database, Session } from './postgres/database.ts';
import { grantRights } from './postgres/grant-rights.ts';
import { migrateDomain } from './postgres/migrate.ts';
import { seedTable } from './postgres/seed-table.ts';
import { sqlOf } from './postgres/session-sql.ts';

const STOP_MS = 5_000;

/**
 * Makes what the pipeline declares, wherever it is missing: databases and migrations, reference data, publications and
 * slots, topics, connectors of Kafka Connect, schemas with compatibility BACKWARD, indices. Deletes no data; only the offsets of a group whose index was
 * lost are forgotten, before the index is made. Returns what it changed, in words, and
 * nothing the second time; what fails in the middle is made by the next run. What is left out for want of a server goes to
 * `onLeftOut`, every time.
 *
 * Rejects with the classified error of the server that is away.
 */
export async function applyPipeline(
  pipeline: PipelineDefinition,
  config: Config,
  logger: Logger,
  report: (change: string) => void,
  onLeftOut: (sentence: string) => void = () => undefined,
): Promise<readonly string[]> {
  const connections = new Connections(pipeline, config, logger, 'millrace-apply');
  const made: string[] = [];
  const note = (changes: readonly string[]): void => {
    for (const change of changes) report(change);
    made.push(...changes);
  };
  try {
    for (const domain of pipeline.domains) note(await applyDomain(domain, config, connections, { logger, onLeftOut }));
    note(await migrateDomain({ databaseUrl: databaseUrl(config, PLATFORM), domain: PLATFORM, kind: 'platform', logger }));
    note(await applyRights(connections.platform(), { domain: PLATFORM, publication: undefined }, onLeftOut));
    note(await applyTopics(pipeline, config, connections));
    note(await applySchemas(pipeline, config, connections));
    const connectors = await withAdmin(connections, async (admin) => applyConnectors(pipeline, config, admin));
    note(connectors.changes);
    for (const sentence of connectors.leftOut) onLeftOut(sentence);
    note(await rereadLostIndices(pipeline, config, connections));
    note(await applyReadModels(pipeline, connections, logger));
    return made;
  } finally {
    for (const service of connections.services()) await service.stop(AbortSignal.timeout(STOP_MS));
  }
}

/** The publication comes before the slot: a slot does not see a publication that is younger than it. */
async function applyDomain(
  domain: DomainDefinition,
  config: Config,
  connections: Connections,
  { logger, onLeftOut }: { readonly logger: Logger; readonly onLeftOut: (sentence: string) => void },
): Promise<readonly string[]> {
  const url = databaseUrl(config, domain.name);
  // A table that cannot be captured must not take rows.
  const check = async (session: Session): Promise<void> => {
    if (domain.captured) await assertLogical(sqlOf(session));
  };
  const changes = [...(await migrateDomain({ databaseUrl: url, domain: domain.name, logger, check }))];
  for (const seed of domain.seeds ?? []) changes.push(...(await seedTable(connections.database(domain.name), seed)));
  const publication = domain.captured ? config.names.publication(domain.name) : undefined;
  const tables = (domain.tables ?? []).map(({ table }) => table);
  changes.push(...(await applyRights(connections.database(domain.name), { domain: domain.name, publication, tables }, onLeftOut)));
  if (domain.captured) changes.push(...(await applyCapture(domain.name, url, config)));
  return changes;
}

async function applyRights(
  database: Database,
  of: Parameters<typeof grantRights>[1],
  onLeftOut: (sentence: string) => void,
): Promise<readonly string[]> {
  const { changes, leftOut } = await grantRights(database, of);
  for (const sentence of leftOut) onLeftOut(sentence);
  return changes;
}

/** A new slot belongs to whom the configuration names; later only a handover moves it. */
async function applyCapture(domain: string, url: string, config: Config): Promise<readonly string[]> {
  const source = captureSource(domain, captureUrl(config, domain), config.names);
  // A slot that was made before and is gone is a gap of its owner's: that is refused below.
  const isNew = await withSqlSession(
    url,
    async (sql) => (await readSlot(sql, source.slot)) === undefined && (await readSourceRow(sql, source)) === undefined,
  );
  if (isNew) await withSqlSession(url, async (sql) => writeCaptureOwner(sql, domain, capturerOf(config, domain)));
  return ensureCaptureSource(source, url);
}

async function applyTopics(pipeline: PipelineDefinition, config: Config, connections: Connections): Promise<readonly string[]> {
  return withAdmin(connections, async (admin) => admin.ensureTopics(topicsOf(pipeline, config.names, config.kafka.replicationFactor)));
}

async function withAdmin<T>(connections: Connections, work: (admin: BrokerAdmin) => Promise<T>): Promise<T> {
  const admin = connections.broker().admin();
  try {
    return await work(admin);
  } finally {
    await admin.stop();
  }
}

async function applySchemas(pipeline: PipelineDefinition, config: Config, connections: Connections): Promise<readonly string[]> {
  const changes: string[] = [];
  for (const { subject, versions } of subjectsOf(pipeline, config.names)) {
    for (const schema of versions) {
      const registered = await connections.registry().register(subject, schema);
      if (registered.changed) changes.push(`registry: registered ${subject} as schema ${registered.id}`);
    }
  }
  return changes;
}

/**
 * An index that is gone although its group has read its topics would come back empty and be taken for the whole. The group
 * forgets where it was, so that its projector reads the topics again and fills the new index.
 */
async function rereadLostIndices(pipeline: PipelineDefinition, config: Config, connections: Connections): Promise<readonly string[]> {
  const admin = connections.broker().admin();
  const changes: string[] = [];
  try {
    for (const projection of pipeline.projections) {
      if (projection.store !== 'elasticsearch') continue;
      const index = config.names.index(`${projection.alias}-v${projection.version}`);
      if (await indexExists(connections.elasticsearch(), index)) continue;
      const group = config.names.projectionGroup(projection.name, projection.version);
      const topics = projection.reads.map(({ route }) => config.names.eventTopic(route));
      if ((await admin.committed(group, topics)).length === 0) continue;
      await forget(admin, group, index);
      changes.push(`projection ${projection.name}: index ${index} was lost, its topics are read again`);
    }
    return changes;
  } finally {
    await admin.stop();
  }
}

async function forget(admin: BrokerAdmin, group: string, index: string): Promise<void> {
  try {
    await admin.deleteGroups([group]);
  } catch (error) {
    if (!(error instanceof ClassifiedError) || !error.message.includes('NON_EMPTY_GROUP')) throw error;
    const message = `the index ${index} is gone, and ${group} cannot be made to read again while its projector runs: stop it, then apply again`;
    throw new ClassifiedError('CONFIGURATION_INVALID', message, { cause: error });
  }
}

async function applyReadModels(pipeline: PipelineDefinition, connections: Connections, logger: Logger): Promise<readonly string[]> {
  const projectors = pipeline.projections.map((projection) => createProjector(projection, connections, NO_METRICS));
  const lifecycle = new Lifecycle(connections.services(), logger);
  try {
    await lifecycle.start(new AbortController().signal);
    const changes: string[] = [];
    for (const projector of projectors) changes.push(...(await projector.ensure()));
    return changes;
  } finally {
    await lifecycle.stop(STOP_MS);
  }
}
