import type { BrokerAdmin, BrokerDriver, Producer } from '../core/broker.ts';
import type { BatchProducer } from '../core/record-batch.ts';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { History } from '../core/define-projection.ts';
import type { HealthSource, Service } from '../core/lifecycle.ts';
import type { LogReader } from '../core/log-reader.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { Steps } from '../core/step.ts';
import type { SourceMemory } from '../connectors/replication/source-memory.ts';
import { KafkaSourceMemory } from '../connectors/replication/source-memory.ts';
import { createElasticsearchClient } from '../projectors/elasticsearch/elasticsearch-client.ts';
import { createRedisConnection } from '../projectors/redis/redis-connection.ts';
import type { RedisConnection } from '../projectors/redis/redis-connection.ts';
import { CATALOGUE } from '../schemas/catalogue.ts';
import { createSchemaRegistry } from '../schemas/registry.ts';
import type { SchemaRegistry } from '../schemas/registry.ts';
import { createPayloadValidator } from '../schemas/validator.ts';
import type { CallRunner } from './calls/call-runner.ts';
import { createCalls } from './calls/create-calls.ts';
import type { Config } from './config.ts';
import { databaseUrl, PLATFORM } from './database-url.ts';
import { createKafkaJsDriver } from './kafka/kafkajs-driver.ts';
import type { Database } from './postgres/database.ts';
import { createDatabase } from './postgres/database.ts';
import { createHistory } from './postgres/history.ts';
import { createBatchedSteps } from './postgres/steps/batched-steps.ts';
import { createStepDatabase } from './postgres/steps/step-database.ts';
import type { RehearsableUnitOfWork, UnitOfWorkOptions } from './postgres/unit-of-work.ts';
import { createUnitOfWork } from './postgres/unit-of-work.ts';
import { systemClock } from './telemetry/system-clock.ts';

/**
 * While the server works on two, or waits for its disk, this process prepares the next. More would make smaller batches of the same
 * load, and each holds a connection (`npm run bench -- processing --only steps`).
 */
export const BATCHES_IN_FLIGHT = 3;

/**
 * The outside of one process, made when it is first asked for: a relay never opens a Redis connection. Nothing here needs
 * its server to be there: a process starts while servers are away, and works when they come.
 */
export class Connections {
  readonly config: Config;
  readonly logger: Logger;
  private readonly pipeline: PipelineDefinition;
  private readonly service: string;
  private readonly opened: Service[] = [];
  private readonly sources: HealthSource[] = [];
  private readonly made = new Map<string, unknown>();

  constructor(pipeline: PipelineDefinition, config: Config, logger: Logger, service: string) {
    this.pipeline = pipeline;
    this.config = config;
    this.logger = logger;
    this.service = service;
  }

  /** What was opened, to be started before and stopped after everything that uses it. */
  services(): readonly Service[] {
    return this.opened;
  }

  /** What the connections say of themselves. A server that is away degrades its users, who say themselves when they cannot go on. */
  health(): readonly HealthSource[] {
    return this.sources.map((source) => ({
      health: () => source.health().map((report) => (report.status === 'down' ? { ...report, status: 'degraded' as const } : report)),
    }));
  }

  database(domain: string): Database {
    return this.once(`database.${domain}`, () => {
      const { config, logger } = this;
      const database = createDatabase({
        url: databaseUrl(config, domain),
        domain,
        poolMax: config.postgres.poolMax,
        preparedStatements: config.postgres.preparedStatements,
        applicationName: this.service,
        logger,
      });
      this.opened.push(serviceOf(`database.${domain}`, async (hard) => database.stop(hard)));
      return database;
    });
  }

  platform(): Database {
    return this.database(PLATFORM);
  }

  history(): History {
    return this.once('history', () => {
      const captured = this.pipeline.domains.filter((domain) => domain.captured);
      return createHistory({ databases: new Map(captured.map(({ name }) => [name, this.database(name)])), catalogue: CATALOGUE });
    });
  }

  unitOfWork(domainName: string): RehearsableUnitOfWork {
    return this.once(`unit-of-work.${domainName}`, () => createUnitOfWork(this.store(domainName)));
  }

  /** Of the domain's processor. Batches have connections of their own, so that they never stand in line for one. */
  steps(domainName: string, metrics: Metrics): Steps {
    return this.once(`steps.${domainName}`, () => {
      const { config, logger } = this;
      const { batchMax, stepTimeoutMs } = config.processing;
      const inFlightMax = batchMax === 1 ? config.postgres.poolMax : BATCHES_IN_FLIGHT;
      const batches = createStepDatabase({
        url: databaseUrl(config, domainName),
        domain: domainName,
        batchesMax: inFlightMax,
        preparedStatements: config.postgres.preparedStatements,
        applicationName: `${this.service}-steps`,
        logger,
        stepTimeoutMs,
      });
      this.opened.push(serviceOf(`steps.${domainName}`, async (hard) => batches.stop(hard)));
      return createBatchedSteps({
        ...this.store(domainName),
        batches,
        unitOfWork: this.unitOfWork(domainName),
        metrics,
        clock: systemClock,
        batchMax,
        inFlightMax,
        // Half of the connections together: the other half is for commands, reads and what is parked.
        aloneMax: Math.max(1, Math.floor(config.postgres.poolMax / 5)),
        lockedMax: Math.max(1, Math.floor((config.postgres.poolMax * 3) / 10)),
      });
    });
  }

  /** The declared calls of the process: their limits and connections are shared by its domains. */
  calls(metrics: Metrics): CallRunner {
    return this.once('calls', () => {
      const calls = createCalls(this.config, metrics, this.logger);
      this.opened.push(serviceOf('calls', async () => calls.stop()));
      return calls.runner;
    });
  }

  private store(domainName: string): UnitOfWorkOptions {
    const domain = this.pipeline.domains.find(({ name }) => name === domainName);
    if (domain === undefined) throw new RangeError(`no domain ${domainName} in the pipeline`);
    return {
      database: this.database(domainName),
      domain,
      catalogue: CATALOGUE,
      validator: createPayloadValidator(),
      lockTimeoutMs: this.config.processing.lockTimeoutMs,
      logger: this.logger,
    };
  }

  broker(): BrokerDriver {
    return this.once('broker', () => {
      const { brokers, ssl, sasl } = this.config.kafka;
      const driver = createKafkaJsDriver({
        brokers,
        ssl,
        ...(sasl === undefined ? {} : { sasl }),
        clientId: this.service,
        logger: this.logger,
      });
      this.sources.push(driver);
      return driver;
    });
  }

  /** One per process. */
  producer(): Producer {
    return this.once('producer', () => {
      const producer = this.broker().producer({ clientId: this.service });
      this.opened.push({ name: 'producer', start: async () => producer.start(), stop: async () => producer.stop() });
      return producer;
    });
  }

  brokerAdmin(): BrokerAdmin {
    return this.once('broker-admin', () => {
      const admin = this.broker().admin();
      this.opened.push(serviceOf('broker-admin', async () => admin.stop()));
      return admin;
    });
  }

  logReader(): LogReader {
    return this.once('log-reader', () => {
      const reader = this.broker().logReader();
      this.opened.push(serviceOf('log-reader', async () => reader.stop()));
      return reader;
    });
  }

  /** One per process: it orders its own writes. */
  sourceMemory(): SourceMemory {
    return this.once(
      'source-memory',
      () => new KafkaSourceMemory(this.config.names.captureSourcesTopic(), this.producer(), this.logReader()),
    );
  }

  /** For the relays of the process. */
  batchProducer(): BatchProducer {
    return this.once('batch-producer', () => {
      const producer = this.broker().batchProducer({ clientId: `${this.service}-relay` });
      // It never rejects, and what needs it waits for it: meanwhile the relay looks at its source.
      this.opened.push({ name: 'batch-producer', start: async () => void producer.start(), stop: async () => producer.stop() });
      return producer;
    });
  }

  registry(): SchemaRegistry {
    return this.once('registry', () => {
      const { url, username, password } = this.config.registry;
      return createSchemaRegistry({
        url,
        ...(username === undefined ? {} : { auth: { username, password: password ?? '' } }),
        logger: this.logger,
      });
    });
  }

  redis(domain: string): RedisConnection {
    const url = this.config.redis.domainUrls[domain] ?? this.config.redis.url;
    return this.once(`redis.${url}`, () => {
      const redis = createRedisConnection({ url, logger: this.logger });
      this.opened.push(redis);
      this.sources.push(redis);
      return redis;
    });
  }

  elasticsearch(): ReturnType<typeof createElasticsearchClient> {
    return this.once('elasticsearch', () => {
      const { url, apiKey } = this.config.elasticsearch;
      const client = createElasticsearchClient({ url, ...(apiKey === undefined ? {} : { apiKey }) });
      this.opened.push(serviceOf('elasticsearch', async () => client.close()));
      return client;
    });
  }

  private once<T>(name: string, make: () => T): T {
    if (!this.made.has(name)) this.made.set(name, make());
    return this.made.get(name) as T;
  }
}

function serviceOf(name: string, stop: (hard: AbortSignal) => Promise<void>): Service {
  return { name, start: async () => undefined, stop };
}
