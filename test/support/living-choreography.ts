import { captureSource } from '../../connectors/outbox/relay.ts';
import { dropCaptureSource, ensureCaptureSource } from '../../connectors/replication/capture-source.ts';
import type { PipelineDefinition } from '../../core/define-pipeline.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { composeRoles } from '../../runtime/compose.ts';
import type { Config } from '../../runtime/config.ts';
import { loadConfig } from '../../runtime/config.ts';
import { Connections } from '../../runtime/connections.ts';
import { Lifecycle } from '../../runtime/lifecycle.ts';
import { migrateDomain } from '../../runtime/postgres/migrate.ts';
import { topicsOf } from '../../schemas/topics.ts';
import { services } from './services.ts';
import { systemClock } from './system-clock.ts';
import { temporaryDatabases } from './temporary-databases.ts';

/** A pipeline's domains on real servers: databases, slots and topics of their own, relays and some processors in this process. */
export interface LivingChoreography {
  readonly config: Config;
  /** What another process has to be told to find it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Open and started; of the test's own. */
  readonly connections: Connections;
  readonly url: (domain: string) => string;
  /** Starts the processor of a domain; the answer stops it. */
  processor(domain: string): Promise<() => Promise<void>>;
  stop(): Promise<void>;
}

const STOP_MS = 10_000;

export async function livingChoreography(label: string, pipeline: PipelineDefinition): Promise<LivingChoreography> {
  const databases = temporaryDatabases(label);
  const environment = {
    MILLRACE_NAMESPACE: databases.namespace,
    POSTGRES_URL: services().postgresUrl,
    KAFKA_BROKERS: services().kafkaBrokers,
    SCHEMA_REGISTRY_URL: services().registryUrl,
    REDIS_URL: services().redisUrl,
    ELASTICSEARCH_URL: services().elasticsearchUrl,
    WIRE_FORMAT: 'json',
  };
  const config = loadConfig(environment);
  const captured = pipeline.domains.filter((domain) => domain.captured).map(({ name }) => name);
  const connections = new Connections(pipeline, config, SILENT_LOGGER, 'test');
  const admin = connections.brokerAdmin();

  const started: Lifecycle[] = [];
  const start = async (roles: { readonly relays: readonly string[]; readonly processors: readonly string[] }): Promise<Lifecycle> => {
    const own = new Connections(pipeline, config, SILENT_LOGGER, 'test-roles');
    const parts = composeRoles(
      { api: false, projectors: [], flows: false, ...roles },
      { pipeline, connections: own, metrics: NO_METRICS, onFatal: () => undefined },
    );
    const lifecycle = new Lifecycle([...own.services(), ...parts], SILENT_LOGGER);
    await lifecycle.start(new AbortController().signal);
    started.push(lifecycle);
    return lifecycle;
  };
  /** However far it had come. */
  const stop = async (): Promise<void> => {
    for (const lifecycle of started.reverse()) await lifecycle.stop(STOP_MS);
    await admin.deleteTopics((await admin.listTopics()).filter((topic) => topic.startsWith(databases.namespace)));
    for (const service of connections.services()) await service.stop(AbortSignal.timeout(STOP_MS));
    await databases.dropAll();
  };
  try {
    for (const { name } of pipeline.domains) await migrateDomain({ databaseUrl: databases.url(name), domain: name, logger: SILENT_LOGGER });
    await migrateDomain({ databaseUrl: databases.url('millrace'), domain: 'millrace', kind: 'platform', logger: SILENT_LOGGER });
    for (const name of captured) await ensureCaptureSource(captureSource(name, databases.url(name), config.names));
    await admin.ensureTopics(topicsOf(pipeline, config.names, 1));
    await start({ relays: captured, processors: [] });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    config,
    environment,
    connections,
    url: (domain) => databases.url(domain),
    processor: async (domain) => {
      const lifecycle = await start({ relays: [], processors: [domain] });
      return () => lifecycle.stop(STOP_MS);
    },
    stop: async () => {
      for (const lifecycle of started.splice(0).reverse()) await lifecycle.stop(STOP_MS);
      for (const name of captured) await dropCaptureSource(captureSource(name, databases.url(name), config.names), systemClock);
      await stop();
    },
  };
}
