import { DEPENDENCY_OF_CALL } from '../core/calls.ts';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { ProjectionDefinition } from '../core/define-projection.ts';
import type { DomainDefinition, RetryDefinition } from '../core/define.ts';
import type { Dependency } from '../core/dependency.ts';
import type { ClassifiedError } from '../core/errors.ts';
import type { HealthSource, Service } from '../core/lifecycle.ts';
import type { Metrics } from '../core/metrics.ts';
import type { Names } from '../core/names.ts';
import { retryPolicyOf } from '../core/retry-policy.ts';
import type { ConnectRest } from '../connectors/debezium/connect-rest.ts';
import { createConnectorWatch } from '../connectors/debezium/connector-watch.ts';
import { createOwnedRelay } from '../connectors/outbox/owned-relay.ts';
import { createRelay } from '../connectors/outbox/relay.ts';
import type { CaptureOwner } from '../connectors/replication/capture-owner.ts';
import { readCaptureOwner } from '../connectors/replication/capture-owner.ts';
import { readSlot } from '../connectors/replication/slot.ts';
import type { SourceWatch } from '../connectors/replication/source-watch.ts';
import { createSourceWatch } from '../connectors/replication/source-watch.ts';
import { createWalWatch } from '../connectors/replication/wal-watch.ts';
import { createElasticsearchProjector } from '../projectors/elasticsearch/elasticsearch-projector.ts';
import type { Projector } from '../projectors/projector.ts';
import { createRedisProjector } from '../projectors/redis/redis-projector.ts';
import { repairOf } from './capture-repair.ts';
import { callConcurrency } from './calls/create-calls.ts';
import { capturerOf, capturesTables, connectRest } from './capture.ts';
import { flowSweeper } from './compose-flows.ts';
import type { Config } from './config.ts';
import { deadLetterCare } from './compose-dead-letters.ts';
import type { Connections } from './connections.ts';
import { captureUrl } from './database-url.ts';
import { createParkedOrphanWatch } from './parked-orphan-watch.ts';
import { findParkedOrphans } from './parked-orphans.ts';
import type { Payloads } from './payloads.ts';
import { outboxRetentionDays } from './outbox-retention.ts';
import { createPayloads } from './payloads.ts';
import type { OutboxCare } from './postgres/maintenance.ts';
import type { Database } from './postgres/database.ts';
import { createMaintenance } from './postgres/maintenance.ts';
import { createParkedRecords } from './postgres/parked-records.ts';
import { sqlOf } from './postgres/session-sql.ts';
import { readInboxHorizon } from './postgres/inbox-horizon.ts';
import { isProcessed } from './postgres/inbox-statements.ts';
import { createPooledRandom } from './pooled-random.ts';
import type { Lookout } from './processing/backlog.ts';
import { createConsumerGroup } from './processing/consumer-group.ts';
import type { EventHandler } from './processing/event-handler.ts';
import { overtakingTopics } from './processing/lane.ts';
import { createProjectionHandler } from './processing/projection-handler.ts';
import { createReactionHandler } from './processing/reaction-handler.ts';
import { reactionTimeouts } from './processing/reaction-timeouts.ts';
import { refuseForgotten } from './processing/refuse-forgotten.ts';
import { createSourceIdentity } from './source-identity.ts';
import type { Roles } from './roles.ts';
import { systemClock } from './telemetry/system-clock.ts';

export interface Surroundings {
  readonly pipeline: PipelineDefinition;
  readonly connections: Connections;
  readonly metrics: Metrics;
  /** Called when a part of the process cannot go on by itself. */
  readonly onFatal: (error: ClassifiedError) => void;
}

export type Part = Service & HealthSource;

/** What the parts of a process share beside its surroundings. */
interface Shared extends Surroundings {
  readonly payloads: Payloads;
}

/**
 * The parts of one process, as the picture of docs/architecture.md shows them: outbox → relay → Kafka → processors and
 * projectors. In the order of starting: readers before those who write for them. Groups and captures are one stage: they stop
 * together, each with the whole time of a soft stop.
 */
export function composeRoles(roles: Roles, given: Surroundings): readonly (Service | Part | readonly Part[])[] {
  const { pipeline, connections } = given;
  const surroundings = { ...given, payloads: createPayloads(pipeline, connections) };
  const domains = (names: readonly string[]): DomainDefinition[] => pipeline.domains.filter(({ name }) => names.includes(name));
  return [
    surroundings.payloads.preload({ read: typesReadBy(roles, pipeline), written: typesWrittenBy(roles, pipeline) }),
    ...(roles.flows ? [flowSweeper(pipeline, connections, given.metrics), orphanWatch(given)] : []),
    ...deadLetterCare(roles, given),
    [
      ...pipeline.projections
        .filter(({ name }) => roles.projectors.includes(name))
        .map((projection) => projectionGroup(projection, surroundings)),
      ...domains(roles.processors).flatMap((domain) => [
        ...(domain.captured ? [] : [maintenance(domain, undefined, surroundings)]),
        processorGroup(domain, surroundings),
      ]),
      ...domains(roles.relays).flatMap((domain) => {
        const { outbox, tables } = capture(domain, surroundings);
        return [maintenance(domain, outbox, surroundings), walWatch(domain, surroundings), outbox.part, ...tables];
      }),
    ],
  ];
}

/** Over all groups: who is gone cannot look after what it left. */
function orphanWatch({ pipeline, connections, metrics }: Surroundings): Part {
  const { config, logger } = connections;
  const admin = connections.brokerAdmin();
  const database = (domain: string): Database => connections.database(domain);
  const find = () => findParkedOrphans({ pipeline, names: config.names, database, admin });
  return createParkedOrphanWatch({ find, metrics, logger, clock: systemClock });
}

/** The event types that the processors and projectors of this process handle. */
function typesReadBy(roles: Roles, pipeline: PipelineDefinition): readonly string[] {
  const processors = pipeline.domains.filter(({ name }) => roles.processors.includes(name)).map(({ processor }) => processor);
  const projections = pipeline.projections.filter(({ name }) => roles.projectors.includes(name));
  const reactions = processors.flatMap((processor) => processor?.reactions ?? []);
  return [...new Set([...reactions.map(({ on }) => on), ...projections.flatMap(({ reads }) => reads).map(({ type }) => type)])];
}

/** The event types that the relays of this process publish. */
function typesWrittenBy(roles: Roles, pipeline: PipelineDefinition): readonly string[] {
  return pipeline.domains.filter(({ name }) => roles.relays.includes(name)).flatMap(({ events }) => events.map(({ type }) => type));
}

/** What captures an outbox, and what keeps its rows from being dropped; undefined while all is well. */
interface OutboxCapture {
  readonly part: Part;
  readonly keptBecause: () => string | undefined;
}

/** The relay, or a watch over the connector that stands in its place; and one over the connector of whole tables. */
function capture(domain: DomainDefinition, surroundings: Shared): { readonly outbox: OutboxCapture; readonly tables: readonly Part[] } {
  const { config, logger } = surroundings.connections;
  const rest = connectRest(config);
  const watch = (connector: string, connect: ConnectRest): Part =>
    createConnectorWatch({ connector, rest: connect, logger, clock: systemClock });
  const tables = rest !== undefined && capturesTables(config, domain) ? [watch(config.names.tableConnector(domain.name), rest)] : [];
  if (rest === undefined || capturerOf(config, domain.name) === 'relay') {
    // For the time after a handover, as long as the slot is Debezium's.
    return { outbox: relayCapture(domain, surroundings), tables: [sourceWatch(domain, surroundings, true), ...tables] };
  }
  const connector = config.names.connector(domain.name);
  logger.info({ 'log.logger': 'relay', domain: domain.name, connector }, 'no relay here: Debezium captures the domain');
  const part = watch(connector, rest);
  // Debezium trusts whatever slot it finds: a healthy connector does not say that the rows of the outbox were captured.
  const source = sourceWatch(domain, surroundings, false);
  const keptBecause = (): string | undefined => {
    const [health] = part.health();
    if (health?.status === 'ok') return source.keptBecause();
    return `the connector ${connector} does not work: ${health?.detail ?? 'unknown'}`;
  };
  return { outbox: { part, keptBecause }, tables: [source, ...tables] };
}

function sourceWatch(domain: DomainDefinition, surroundings: Shared, besideRelay: boolean): SourceWatch {
  return createSourceWatch({
    domain: domain.name,
    identity: createSourceIdentity(domain, surroundings.connections),
    readOwner: ownerReader(domain, surroundings),
    besideRelay,
    logger: surroundings.connections.logger,
    clock: systemClock,
  });
}

function relayCapture(domain: DomainDefinition, surroundings: Shared): OutboxCapture {
  const part = relay(domain, surroundings);
  const keptBecause = (): string | undefined => {
    const state = part.health()[0]?.facts?.['state'];
    return state === 'streaming' ? undefined : `the relay of this process is ${String(state)}`;
  };
  return { part, keptBecause };
}

/** Whose the slot is, by the word of the domain's database. */
function ownerReader(domain: DomainDefinition, { connections }: Shared): () => Promise<CaptureOwner> {
  return async () => (await readCaptureOwner(sqlOf(connections.database(domain.name)), domain.name)) ?? 'relay';
}

/** While the domain's database says that the slot is Debezium's, it stands by. */
function relay(domain: DomainDefinition, surroundings: Shared): Part {
  const { connections } = surroundings;
  const sql = sqlOf(connections.database(domain.name));
  return createOwnedRelay({
    domain: domain.name,
    createRelay: () => streamingRelay(domain, surroundings),
    readOwner: ownerReader(domain, surroundings),
    isSlotHeld: async () => (await readSlot(sql, connections.config.names.slot(domain.name)))?.active === true,
    logger: connections.logger,
    clock: systemClock,
  });
}

function streamingRelay(domain: DomainDefinition, { pipeline, connections, metrics, payloads }: Shared): Part {
  const { config, logger } = connections;
  const repair = repairOf(domain, { pipeline, connections, metrics, encoder: payloads.encoder });
  return createRelay({
    domain: domain.name,
    connection: { url: captureUrl(config, domain.name) },
    names: config.names,
    routes: new Set(domain.events.map((event) => event.route)),
    deadLetterDialects: config.deadLetters.dialects,
    producer: connections.batchProducer(),
    settings: { lingerMs: config.capture.lingerMs, inFlightBytesMax: config.capture.inFlightBytesMax },
    encoder: payloads.encoder,
    metrics,
    logger,
    clock: systemClock,
    identity: createSourceIdentity(domain, connections),
    ...(repair === undefined ? {} : { repair }),
    onGap: (error) => logger.error({ 'log.logger': 'relay', domain: domain.name, remedy: error.remedy }, 'capture stands still', error),
  });
}

function walWatch(domain: DomainDefinition, { pipeline, connections, metrics }: Surroundings): Part {
  const { config, logger } = connections;
  return createWalWatch({
    domain: domain.name,
    url: captureUrl(config, domain.name),
    slot: config.names.slot(domain.name),
    isOurs: slotsOf(pipeline, config.names),
    budget: config.capture.walBudget,
    intervalMs: config.capture.walLookIntervalMs,
    metrics,
    logger,
    clock: systemClock,
  });
}

/** Tells the pipeline's slots, and those that are named after one of them, from other people's. */
export function slotsOf(pipeline: PipelineDefinition, names: Names): (slot: string) => boolean {
  const ours = pipeline.domains.filter(({ captured }) => captured).map(({ name }) => names.slot(name));
  return (slot) => ours.some((own) => slot === own || slot.startsWith(`${own}_`));
}

/** The upkeep of a captured domain's database goes with its relay, that of another one with its processor. */
function maintenance(domain: DomainDefinition, capture: OutboxCapture | undefined, { connections, metrics }: Surroundings): Part {
  const { config, logger } = connections;
  return createMaintenance({
    database: connections.database(domain.name),
    outbox: capture === undefined ? undefined : outboxCare(domain, capture, config),
    snapshotRetentionDays: config.retention.snapshotDays,
    metrics,
    clock: systemClock,
    logger,
  });
}

function outboxCare(domain: DomainDefinition, capture: OutboxCapture, config: Config): OutboxCare {
  return {
    slot: config.names.slot(domain.name),
    retentionDays: outboxRetentionDays(domain, config),
    keptBecause: capture.keptBecause,
  };
}

function processorGroup(domain: DomainDefinition, surroundings: Shared): Part {
  const { connections, metrics } = surroundings;
  const processor = domain.processor ?? { domain: domain.name, reactions: [] };
  const database = connections.database(domain.name);
  const reactions = createReactionHandler({
    processor,
    steps: connections.steps(domain.name, metrics),
    isProcessed: (key) => isProcessed(database, domain.name, key),
    calls: connections.calls(metrics),
    random: createPooledRandom(),
    logger: connections.logger,
    clock: systemClock,
  });
  const byType = new Map(processor.reactions.map((reaction) => [reaction.on, reaction]));
  const handler = refuseForgotten(reactions, {
    remembersFromMs: () => readInboxHorizon(database, domain.name),
    isProcessed: async (event) => isProcessed(database, domain.name, byType.get(event.type)?.idempotencyKey(event) ?? event.id),
    clock: systemClock,
  });
  const { names, processing } = connections.config;
  const timeouts = reactionTimeouts(processor, { ...processing, callConcurrencyMax: callConcurrency(connections.config) });
  return group(
    {
      name: names.processorGroup(domain.name),
      types: processor.reactions.map(({ on }) => on),
      overtakingTopics: overtakingTopics(processor, surroundings.pipeline, names),
      retry: processor.retry,
      database,
      calls: new Map(processor.reactions.flatMap(({ on, call }) => (call === undefined ? [] : [[on, DEPENDENCY_OF_CALL[call.name]]]))),
      handler,
      handlerTimeoutMs: Math.max(processing.stepTimeoutMs, ...timeouts.values()),
      timeoutMsOf: (type) => timeouts.get(type) ?? processing.stepTimeoutMs,
    },
    surroundings,
  );
}

function projectionGroup(projection: ProjectionDefinition, surroundings: Shared): Part {
  const projector = createProjector(projection, surroundings.connections, surroundings.metrics);
  const name = surroundings.connections.config.names.projectionGroup(projection.name, projection.version);
  const handler = createProjectionHandler({
    projection: projection.name,
    store: projection.store,
    projector,
    logger: surroundings.connections.logger,
    clock: systemClock,
  });
  const { handlerTimeoutMs } = surroundings.connections.config.processing;
  const types = projection.reads.map(({ type }) => type);
  const database = surroundings.connections.platform();
  // A document that is missing is folded from its history; all other events need the store alone.
  const occasional = new Set<Dependency>(['postgres']);
  return group({ name, types, retry: projection.retry, database, occasional, handler, handlerTimeoutMs }, surroundings);
}

export function createProjector(projection: ProjectionDefinition, connections: Connections, metrics: Metrics): Projector {
  const { config, logger } = connections;
  const common = { names: config.names, history: connections.history(), metrics, logger, clock: systemClock };
  if (projection.store === 'elasticsearch')
    return createElasticsearchProjector({ projection, client: connections.elasticsearch(), ...common });
  const owner = projection.reads[0]?.domain ?? '';
  return createRedisProjector({ projection, redis: connections.redis(owner).client, ...common });
}

/** One for all groups of the process; it connects when a group has stood still for a while. */
function lookout(connections: Connections): Lookout {
  const [admin, reader] = [connections.brokerAdmin(), connections.logReader()];
  return {
    offsets: (topics) => admin.offsets(topics),
    committed: (name, topics) => admin.committed(name, topics),
    read: (partition, from) => reader.read(partition, from),
  };
}

interface Group {
  readonly name: string;
  readonly types: readonly string[];
  readonly overtakingTopics?: ReadonlySet<string>;
  readonly retry: RetryDefinition | undefined;
  /** Where its parked records are. */
  readonly database: Database;
  readonly calls?: ReadonlyMap<string, Dependency>;
  readonly occasional?: ReadonlySet<Dependency>;
  readonly handler: EventHandler;
  readonly handlerTimeoutMs: number;
  readonly timeoutMsOf?: (eventType: string) => number;
}

function group(options: Group, { pipeline, connections, metrics, payloads, onFatal }: Shared): Part {
  const { name, types, retry, database, ...handling } = options;
  const { config, logger } = connections;
  const events = pipeline.domains.flatMap((domain) => domain.events);
  return createConsumerGroup({
    group: name,
    service: 'millrace',
    topics: events.filter(({ type }) => types.includes(type)).map(({ route }) => config.names.eventTopic(route)),
    parked: createParkedRecords({ database, group: name }),
    giveUp: retry?.policy ?? 'continue',
    broker: connections.broker(),
    producer: connections.producer(),
    decoder: payloads.decoder,
    ...handling,
    wanted: new Set(types),
    known: new Set(events.map(({ type }) => type)),
    deadLetterTopicOf: (topic) => config.names.deadLetterTopic(topic, name),
    deadLetterDialects: config.deadLetters.dialects,
    retryPolicy: retryPolicyOf(retry, config.processing.retryDelaysMs),
    limits: { concurrencyMax: config.processing.concurrencyMax },
    breaker: config.processing.breaker,
    lookout: lookout(connections),
    stall: config.processing.stall,
    metrics,
    logger,
    clock: systemClock,
    random: Math.random,
    onFatal,
  });
}
