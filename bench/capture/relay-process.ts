import { createRelay } from '../../connectors/outbox/relay.ts';
import { Names } from '../../core/names.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { createLogger } from '../../runtime/telemetry/log.ts';
import { createMetrics } from '../../runtime/telemetry/metrics.ts';
import { systemClock } from '../../runtime/telemetry/system-clock.ts';
import { createAvroEncoder, createJsonEncoder } from '../../schemas/codec.ts';
import { schemaOf } from '../../schemas/event-schema.ts';
import { createSchemaRegistry } from '../../schemas/registry.ts';

/** What the process is told on its command line. */
export interface RelayOrder {
  readonly domain: string;
  readonly namespace: string;
  readonly route: string;
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
  /** Avro when there is a registry, JSON otherwise. */
  readonly registryUrl?: string;
}

/**
 * A relay in a process of its own, composed as the product composes it, metrics and log included. The only place of the
 * benchmark that knows how a relay is made.
 */
const order = JSON.parse(process.argv[2] ?? '{}') as RelayOrder;
const logger = createLogger({ service: 'bench-relay', environment: 'bench', level: 'warn', format: 'ecs' });
const names = new Names(order.namespace);
const { metrics } = createMetrics('bench-relay');
const producer = createKafkaJsDriver({ brokers: order.brokers, clientId: 'bench-relay', logger }).batchProducer({
  clientId: 'bench-relay',
});
const relay = createRelay({
  domain: order.domain,
  connection: { url: order.databaseUrl },
  names,
  routes: new Set([order.route]),
  producer,
  encoder:
    order.registryUrl === undefined
      ? createJsonEncoder()
      : createAvroEncoder({
          registry: createSchemaRegistry({ url: order.registryUrl, logger }),
          subjectOf: () => names.subject(names.eventTopic(order.route)),
          schemaOf,
        }),
  metrics,
  logger,
  clock: systemClock,
});

const STOP_WITHIN_MS = 10_000;
const stop = async (): Promise<void> => {
  await relay.stop(AbortSignal.timeout(STOP_WITHIN_MS));
  await producer.stop();
  process.exit(0);
};
process.once('SIGTERM', () => void stop());
// A benchmark that was killed cannot stop its relay.
process.once('disconnect', () => void stop());
void producer.start();
await relay.start(new AbortController().signal);
