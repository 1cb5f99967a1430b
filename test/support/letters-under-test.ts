import type { BrokerAdmin, BrokerDriver, Producer } from '../../core/broker.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { ProducerRecord } from '../../core/record.ts';
import { pipeline } from '../../pipeline.ts';
import type { Config } from '../../runtime/config.ts';
import { loadConfig } from '../../runtime/config.ts';
import { Connections } from '../../runtime/connections.ts';
import { PLATFORM } from '../../runtime/database-url.ts';
import type { GroupQueue, LetterQueue } from '../../runtime/dead-letters/letter-queues.ts';
import type { DeadLetters } from '../../runtime/dead-letters/open-dead-letters.ts';
import { deadLettersOf } from '../../runtime/dead-letters/open-dead-letters.ts';
import { migrateDomain } from '../../runtime/postgres/migrate.ts';
import { topicsOf } from '../../schemas/topics.ts';
import { services } from './services.ts';
import type { TemporaryDatabases } from './temporary-databases.ts';
import { temporaryDatabases } from './temporary-databases.ts';

/** The domain my, whose group counts characters into profiles, with its topics and its dead letters, on the shared servers. */
export class LettersUnderTest {
  readonly environment: Record<string, string>;
  readonly config: Config;
  readonly connections: Connections;
  readonly letters: DeadLetters;
  readonly producer: Producer;
  readonly admin: BrokerAdmin;
  readonly driver: BrokerDriver;
  private readonly databases: TemporaryDatabases;
  private readonly topics = new Set<string>();

  private constructor(label: string, more: Record<string, string>) {
    this.databases = temporaryDatabases(label);
    const given = services();
    this.environment = {
      MILLRACE_NAMESPACE: this.databases.namespace,
      POSTGRES_URL: given.postgresUrl,
      KAFKA_BROKERS: given.kafkaBrokers,
      SCHEMA_REGISTRY_URL: given.registryUrl,
      REDIS_URL: given.redisUrl,
      ELASTICSEARCH_URL: given.elasticsearchUrl,
      WIRE_FORMAT: 'json',
      RETRY_DELAYS_MS: '50',
      ...more,
    };
    this.config = loadConfig(this.environment);
    this.connections = new Connections(pipeline, this.config, SILENT_LOGGER, 'letters-test');
    this.letters = deadLettersOf(pipeline, this.connections);
    this.driver = this.connections.broker();
    this.producer = this.driver.producer({ clientId: 'letters-test' });
    this.admin = this.driver.admin();
  }

  static async open(label: string, more: Record<string, string> = {}): Promise<LettersUnderTest> {
    const opened = new LettersUnderTest(label, more);
    await migrateDomain({ databaseUrl: opened.databases.url(PLATFORM), domain: PLATFORM, kind: 'platform', logger: SILENT_LOGGER });
    await opened.producer.start();
    return opened;
  }

  /** Makes the topics that the group of the domain my reads, and those of its letters. */
  async makeTopics(): Promise<void> {
    const names = new Set(this.queues.flatMap(({ topic, source }) => [topic, source]));
    const declared = topicsOf(pipeline, this.config.names, 1).filter(({ topic }) => names.has(topic));
    await this.admin.ensureTopics(declared);
    for (const { topic } of declared) this.topics.add(topic);
  }

  async makeDatabase(domain: string): Promise<void> {
    await migrateDomain({ databaseUrl: this.databases.url(domain), domain, logger: SILENT_LOGGER });
  }

  /** Those of the group that counts characters. */
  get queues(): readonly GroupQueue[] {
    const group = this.config.names.processorGroup('my');
    return this.letters.queues.filter((queue): queue is GroupQueue => queue.group === group);
  }

  /** Letters about characters that were acquired. */
  get queue(): GroupQueue {
    const topic = this.config.names.eventTopic('character.acquired');
    const found = this.queues.find(({ source }) => source === topic);
    if (found === undefined) throw new Error('no such queue');
    return found;
  }

  async makeTopicOf({ topic }: LetterQueue): Promise<void> {
    await this.admin.ensureTopics(topicsOf(pipeline, this.config.names, 1).filter((declared) => declared.topic === topic));
    this.topics.add(topic);
  }

  async send(records: readonly ProducerRecord[]): Promise<void> {
    await this.producer.send(records);
  }

  async close(): Promise<void> {
    await this.producer.stop();
    for (const service of this.connections.services()) await service.stop(AbortSignal.timeout(5_000));
    await this.admin.deleteGroups([this.config.names.processorGroup('my')]).catch(() => undefined);
    await this.admin.deleteTopics([...this.topics]);
    await this.admin.stop();
    await this.databases.dropAll();
  }
}
