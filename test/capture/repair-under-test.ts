import type { BatchProducer } from '../../core/record-batch.ts';
import { SourceIdentity } from '../../connectors/replication/source-identity.ts';
import type { SourceRecord } from '../../connectors/replication/source-record.ts';
import type { SourceMemory } from '../../connectors/replication/source-memory.ts';
import { KafkaSourceMemory } from '../../connectors/replication/source-memory.ts';
import { captureSource, createRelay } from '../../connectors/outbox/relay.ts';
import type { RelayOptions } from '../../connectors/outbox/relay.ts';
import { automaticRepair } from '../../connectors/outbox/repair/automatic-repair.ts';
import type { RepairOptions, RepairRequest } from '../../connectors/outbox/repair/repair-capture.ts';
import { repairCapture } from '../../connectors/outbox/repair/repair-capture.ts';
import type { RepairReport } from '../../connectors/outbox/repair/repair-report.ts';
import type { BrokerAdmin, BrokerDriver, Producer, TopicDeclaration } from '../../core/broker.ts';
import type { HealthSource, Service } from '../../core/lifecycle.ts';
import type { LogReader } from '../../core/log-reader.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import type { Names } from '../../core/names.ts';
import { offset } from '../../core/offset.ts';
import type { ConsumedRecord } from '../../core/record.ts';
import { headerText, utf8Text } from '../../core/record.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { eventually } from '../support/eventually.ts';
import { JSON_PASS_THROUGH } from '../support/relay-under-test.ts';
import { services } from '../support/services.ts';
import { systemClock } from '../support/system-clock.ts';

const ROUTE = 'image.registered';

/** A capture with its memory in Kafka: what a test of gaps and repairs starts, breaks and looks at. */
export class CaptureUnderTest {
  readonly driver: BrokerDriver = createKafkaJsDriver({
    brokers: services().kafkaBrokers.split(','),
    clientId: 'test-repair',
    logger: SILENT_LOGGER,
  });
  readonly admin: BrokerAdmin = this.driver.admin();
  readonly reader: LogReader = this.driver.logReader();
  readonly producer: Producer = this.driver.producer({ clientId: 'test-repair' });
  readonly batchProducer: BatchProducer = this.driver.batchProducer({ clientId: 'test-repair' });
  readonly names: Names;
  readonly topic: string;
  readonly url: string;
  private relays: Service[] = [];
  readonly memory: SourceMemory;

  constructor(url: string, names: Names) {
    this.url = url;
    this.names = names;
    this.topic = names.eventTopic(ROUTE);
    this.memory = new KafkaSourceMemory(names.captureSourcesTopic(), this.producer, this.reader);
  }

  get deadLetterTopic(): string {
    return this.names.captureDeadLetterTopic('image');
  }

  get topics(): TopicDeclaration[] {
    const common = { retentionMs: 3_600_000, replicationFactor: 1 };
    return [
      { topic: this.topic, partitions: 3, ...common },
      { topic: this.deadLetterTopic, partitions: 1, ...common },
      { topic: this.names.captureSourcesTopic(), partitions: 1, ...common, retentionMs: -1, config: { 'cleanup.policy': 'compact' } },
    ];
  }

  async open(): Promise<this> {
    // A broker may not yet know what another request has just made.
    await eventually(() => this.admin.ensureTopics(this.topics), { timeoutMs: 20_000 });
    await this.producer.start();
    await this.batchProducer.start();
    return this;
  }

  identity(url = this.url, reader: LogReader = this.reader, memory: SourceMemory = this.memory): SourceIdentity {
    return new SourceIdentity({
      source: captureSource('image', url, this.names),
      replicationUrl: url,
      topics: [this.topic],
      letters: this.deadLetterTopic,
      outboxKeptDays: 1,
      memory,
      reader,
      clock: systemClock,
      logger: SILENT_LOGGER,
      topicLookMs: 100,
    });
  }

  async relay(options: Partial<RelayOptions> = {}): Promise<Service & HealthSource> {
    const relay = createRelay({
      domain: 'image',
      connection: { url: this.url },
      names: this.names,
      routes: new Set([ROUTE]),
      producer: this.batchProducer,
      encoder: JSON_PASS_THROUGH,
      metrics: NO_METRICS,
      logger: SILENT_LOGGER,
      clock: systemClock,
      identity: this.identity(options.connection?.url),
      ...options,
      settings: { statusDelayMs: 10, statusIntervalMs: 500, publicationLookMs: 50, standbyPollMs: 50, reconnectMaxMs: 200, gapPollMs: 50 },
    });
    this.relays.push(relay);
    await relay.start(new AbortController().signal);
    return relay;
  }

  repair(
    request: Partial<RepairRequest> & { readonly apply: boolean },
    given: Partial<Pick<RepairOptions, 'producer'>> = {},
  ): Promise<RepairReport> {
    const options = { ...this.repairOptions(this.url), ...given };
    return repairCapture(options, {
      confirmed: false,
      progress: () => undefined,
      signal: new AbortController().signal,
      ...request,
    });
  }

  automaticRepair(given: Partial<Pick<RepairOptions, 'metrics'>> = {}): NonNullable<RelayOptions['repair']> {
    return automaticRepair({ ...this.repairOptions(this.url), ...given });
  }

  private repairOptions(url: string): RepairOptions {
    return {
      domain: 'image',
      source: captureSource('image', url, this.names),
      replicationUrl: url,
      names: this.names,
      routes: new Set([ROUTE]),
      identity: this.identity(url),
      memory: this.memory,
      reader: this.reader,
      producer: this.batchProducer,
      encoder: JSON_PASS_THROUGH,
      deadLetterDialects: ['spring'],
      ensureTopics: () => eventually(() => this.admin.ensureTopics(this.topics), { timeoutMs: 20_000 }),
      metrics: NO_METRICS,
      logger: SILENT_LOGGER,
      clock: systemClock,
    };
  }

  async stopRelays(): Promise<void> {
    for (const relay of this.relays.splice(0)) await relay.stop(AbortSignal.timeout(10_000));
  }

  remembered(): Promise<SourceRecord | undefined> {
    return this.memory.read(this.names.slot('image'));
  }

  /** How many records of the topic are known to be too young to be removed by time. */
  async marked(): Promise<number> {
    const record = await this.remembered();
    return record?.topics.flatMap(({ marks }) => marks).length ?? 0;
  }

  /** Everything that the topic holds now, in the order of each partition. */
  async published(of = this.topic): Promise<{ readonly ids: readonly string[]; readonly byKey: ReadonlyMap<string, readonly string[]> }> {
    const ids: string[] = [];
    const byKey = new Map<string, string[]>();
    for (const record of await this.records(of)) {
      const id = headerText(record.headers, 'id') ?? '';
      const key = utf8Text(record.key!);
      ids.push(id);
      byKey.set(key, [...(byKey.get(key) ?? []), id]);
    }
    return { ids, byKey };
  }

  letters(): Promise<readonly ConsumedRecord[]> {
    return this.records(this.deadLetterTopic);
  }

  private async records(of: string): Promise<readonly ConsumedRecord[]> {
    const found: ConsumedRecord[] = [];
    const { topics } = await this.reader.describe([of]);
    for (const { topic, partition, earliest, end } of topics[0]?.partitions ?? []) {
      for (let from = earliest; from < end;) {
        const slice = await this.reader.read({ topic, partition }, offset(from));
        found.push(...slice.records);
        from = slice.next;
      }
    }
    return found;
  }

  async untilPublished(expected: readonly string[], of = this.topic): Promise<readonly string[]> {
    let ids: readonly string[] = [];
    await eventually(
      async () => {
        ({ ids } = await this.published(of));
        const missing = expected.filter((id) => !ids.includes(id));
        if (missing.length > 0) throw new Error(`${missing.length} of ${expected.length} rows are not in the topic`);
      },
      { timeoutMs: 20_000 },
    );
    return ids;
  }

  async close(): Promise<void> {
    await this.stopRelays();
    await this.admin.deleteTopics(this.topics.map(({ topic }) => topic));
    await this.batchProducer.stop();
    await this.producer.stop();
    await this.reader.stop();
    await this.admin.stop();
  }
}

/** The state and the error code of a relay as health shows them. */
export function standing(relay: HealthSource): string {
  const [report] = relay.health();
  return `${String(report?.facts?.['state'])} ${report?.detail?.split(':')[0] ?? ''}`.trim();
}
