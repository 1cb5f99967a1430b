import { connect } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import type { RelayFailpoint } from '../../connectors/outbox/failpoint.ts';
import type { RelayOptions, RelaySettings } from '../../connectors/outbox/relay.ts';
import { captureSource, createRelay } from '../../connectors/outbox/relay.ts';
import { automaticRepair } from '../../connectors/outbox/repair/automatic-repair.ts';
import { SourceIdentity } from '../../connectors/replication/source-identity.ts';
import { KafkaSourceMemory } from '../../connectors/replication/source-memory.ts';
import type { TopicDeclaration } from '../../core/broker.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { HealthReport, HealthSource, Service } from '../../core/lifecycle.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { Names } from '../../core/names.ts';
import type { BatchProducer } from '../../core/record-batch.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { createAvroEncoder } from '../../schemas/codec.ts';
import { schemaOf } from '../../schemas/event-schema.ts';
import { JSON_PASS_THROUGH } from '../support/relay-under-test.ts';
import { systemClock } from '../support/system-clock.ts';

/** What a relay in a process of its own is told on its command line. */
export interface RelayTask {
  readonly url: string;
  readonly namespace: string;
  /** Further sources, each captured by a relay of its own beside the first one: they share the process and its producer. */
  readonly beside?: readonly { readonly url: string; readonly namespace: string }[];
  readonly routes: readonly string[];
  readonly brokers: readonly string[];
  /** All connections to brokers go here, whatever address the brokers advertise. */
  readonly kafkaPort: number;
  readonly kafkaTimeoutMs: number;
  readonly settings: Partial<RelaySettings>;
  readonly wire: 'json' | 'avro';
  /** What happens at the n-th visit of a place: the process kills itself without a farewell, or waits there to be released. */
  readonly failpoint?: { readonly at: RelayFailpoint; readonly onVisit: number; readonly then: 'die' | 'hold' };
  /** The relay closes gaps by itself, and makes these topics where they are missing. */
  readonly repairs?: readonly TopicDeclaration[];
  /** A planted bug: the producer says that all is durable before Kafka was even asked. */
  readonly lyingProducer?: boolean;
}

export type RelayOrder = 'health' | 'release' | 'stop';

export type RelayNews =
  | { readonly is: 'started' }
  | { readonly is: 'refused'; readonly code: string }
  | { readonly is: 'held'; readonly at: RelayFailpoint }
  | { readonly is: 'stopped' }
  | {
      readonly is: 'health';
      readonly report: HealthReport;
      /** Of the relays beside it. */
      readonly beside: readonly HealthReport[];
      readonly rssBytes: number;
      readonly visits: Readonly<Record<string, number>>;
    };

const task = JSON.parse(process.argv[2] ?? '{}') as RelayTask;
const driver = createKafkaJsDriver({
  brokers: task.brokers,
  clientId: 'test-relay',
  logger: SILENT_LOGGER,
  requestTimeoutMs: task.kafkaTimeoutMs,
  connectionTimeoutMs: 1_000,
  socketFactory: ({ onConnect }) => connect({ host: '127.0.0.1', port: task.kafkaPort }, onConnect),
});
const honest = driver.batchProducer({ clientId: 'test-relay' });
const producer = task.lyingProducer === true ? lying(honest) : honest;
const visits: Record<string, number> = {};
let release: () => void = () => undefined;
const reader = driver.logReader();
const memoryProducer = driver.producer({ clientId: 'test-relay-memory' });
const relays = [task, ...(task.beside ?? [])].map(relayOf);

process.on('message', (order: RelayOrder) => void obey(order));
// Whoever started this process is gone.
process.on('disconnect', () => process.exit(1));

await producer.start();
await memoryProducer.start();
if (task.lyingProducer === true) {
  // Its lies need no answer of Kafka, and the number of partitions would.
  for (const route of task.routes) await producer.partitionCount(new Names(task.namespace).eventTopic(route));
}
try {
  for (const relay of relays) await relay.start(new AbortController().signal);
  tell({ is: 'started' });
} catch (thrown) {
  tell({ is: 'refused', code: thrown instanceof ClassifiedError ? thrown.code : 'UNCLASSIFIED' });
}

function relayOf({ url, namespace }: Pick<RelayTask, 'url' | 'namespace'>): Service & HealthSource {
  const names = new Names(namespace);
  const source = captureSource('image', url, names);
  const memory = new KafkaSourceMemory(names.captureSourcesTopic(), memoryProducer, reader);
  const identity = new SourceIdentity({
    source,
    replicationUrl: url,
    topics: task.routes.map((route) => names.eventTopic(route)),
    letters: names.captureDeadLetterTopic('image'),
    outboxKeptDays: 1,
    memory,
    reader,
    clock: systemClock,
    logger: SILENT_LOGGER,
    topicLookMs: 200,
  });
  // A registry that is asked over a network: meanwhile the rows behind wait too.
  const slowly = (): Promise<number> => after(300, 7);
  const encoder =
    task.wire === 'avro' ? createAvroEncoder({ registry: { idOf: slowly }, subjectOf: (type) => type, schemaOf }) : JSON_PASS_THROUGH;
  const common = { domain: 'image', names, routes: new Set(task.routes), producer, encoder };
  const quiet = { metrics: NO_METRICS, logger: SILENT_LOGGER, clock: systemClock };
  const { repairs } = task;
  const repair = (topics: readonly TopicDeclaration[]): NonNullable<RelayOptions['repair']> =>
    automaticRepair({
      ...{ ...common, ...quiet, source, replicationUrl: url, identity, memory, reader, deadLetterDialects: [] },
      ensureTopics: () => ensureTopics(topics),
    });
  return createRelay({
    ...common,
    ...quiet,
    connection: { url },
    settings: task.settings,
    // An honest memory of positions would notice a Kafka that does not answer, and so hide the lie.
    ...(task.lyingProducer === true ? {} : { identity }),
    ...(repairs === undefined ? {} : { repair: repair(repairs) }),
    failpoint: visit,
  });
}

async function ensureTopics(topics: readonly TopicDeclaration[]): Promise<void> {
  const admin = driver.admin();
  try {
    await admin.ensureTopics(topics);
  } finally {
    await admin.stop();
  }
}

async function obey(order: RelayOrder): Promise<void> {
  switch (order) {
    case 'health': {
      const [report, ...beside] = relays.map((relay) => relay.health()[0]!);
      tell({ is: 'health', report: report!, beside, rssBytes: process.memoryUsage.rss(), visits });
      return;
    }
    case 'release':
      release();
      return;
    case 'stop':
      await Promise.all(relays.map((relay) => relay.stop(AbortSignal.timeout(15_000))));
      await producer.stop();
      await memoryProducer.stop();
      await reader.stop();
      tell({ is: 'stopped' });
      process.disconnect();
  }
}

async function visit(label: RelayFailpoint): Promise<void> {
  const visited = (visits[label] ?? 0) + 1;
  visits[label] = visited;
  const { failpoint } = task;
  if (failpoint === undefined || failpoint.at !== label || failpoint.onVisit !== visited) return;
  if (failpoint.then === 'die') process.kill(process.pid, 'SIGKILL');
  tell({ is: 'held', at: label });
  await new Promise<void>((resolve) => (release = resolve));
}

function tell(news: RelayNews): void {
  process.send?.(news);
}

function lying(producer: BatchProducer): BatchProducer {
  let last = Promise.resolve();
  return {
    start: () => producer.start(),
    stop: () => producer.stop(),
    partitionCount: (topic) => producer.partitionCount(topic),
    knownPartitionCount: (topic) => producer.knownPartitionCount(topic),
    append: async (topic, partition, batch) => {
      // Its own copy: whoever is told that all is durable uses the memory again.
      const copy = { ...batch, bytes: Uint8Array.from(batch.bytes) };
      last = last.then(() => producer.append(topic, partition, copy));
    },
  };
}
