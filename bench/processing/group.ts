import { setTimeout as sleep } from 'node:timers/promises';
import type { Producer } from '../../core/broker.ts';
import type { Json } from '../../core/json.ts';
import { pipeline } from '../../pipeline.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import type { ConsumerGroupOptions } from '../../runtime/processing/consumer-group-options.ts';
import type { ConsumerGroup } from '../../runtime/processing/consumer-group.ts';
import { createConsumerGroup } from '../../runtime/processing/consumer-group.ts';
import { keyedDecoder } from '../../runtime/payloads.ts';
import { createMetrics } from '../../runtime/telemetry/metrics.ts';
import { systemClock } from '../../runtime/telemetry/system-clock.ts';
import { createPayloadDecoder } from '../../schemas/codec.ts';
import { schemaOf } from '../../schemas/event-schema.ts';
import { InMemoryParkedRecords } from '../../test/support/in-memory-parked-records.ts';
import { EVENT_TYPE } from './handler-topic.ts';

const JOIN_WITHIN_MS = 60_000;
const POLL_MS = 5;

type GroupOrder = Pick<ConsumerGroupOptions, 'group' | 'handler'> &
  Partial<ConsumerGroupOptions> & { readonly brokers: readonly string[]; readonly topic: string };

/** A group over the topic, composed as the product composes it, that has joined when this resolves. */
export async function startGroup({ brokers, topic, ...options }: GroupOrder): Promise<ConsumerGroup> {
  const group = createConsumerGroup({
    service: 'bench',
    topics: [topic],
    broker: createKafkaJsDriver({ brokers, clientId: 'bench', logger: SILENT_LOGGER }),
    producer: NO_PRODUCER,
    decoder: keyedDecoder(
      pipeline,
      createPayloadDecoder({ registry: { schemaById: async () => schemaOf(EVENT_TYPE) as unknown as Json }, readerSchemaOf: schemaOf }),
    ),
    wanted: new Set([EVENT_TYPE]),
    known: new Set([EVENT_TYPE]),
    deadLetterTopicOf: (of) => `${of}.dlt`,
    parked: new InMemoryParkedRecords(systemClock),
    retryPolicy: { delaysMs: [10_000, 60_000, 300_000], jitter: 0.2 },
    handlerTimeoutMs: 30_000,
    metrics: createMetrics('bench').metrics,
    logger: SILENT_LOGGER,
    clock: systemClock,
    random: Math.random,
    onFatal: (error) => {
      // What waits for this process finds it gone, with these words.
      console.error(error);
      process.exit(1);
    },
    ...options,
  });
  await group.start(new AbortController().signal);
  for (const deadline = Date.now() + JOIN_WITHIN_MS; group.health()[0]?.status === 'down';) {
    if (Date.now() > deadline) throw new Error(`the group ${options.group} was not joined`);
    await sleep(POLL_MS);
  }
  return group;
}

const NO_PRODUCER: Pick<Producer, 'send'> = { send: () => Promise.reject(new Error('nothing is to be dead-lettered')) };
