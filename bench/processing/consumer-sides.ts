import kafkajs from 'kafkajs';
import type { BrokerDriver, Consumer } from '../../core/broker.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import { createKafkaJsDriver } from '../../runtime/kafka/kafkajs-driver.ts';
import { BareLanes } from './bare-lanes.ts';
import { startGroup } from './group.ts';
import { keyNumber, PARTITIONS } from './handler-topic.ts';
import type { Pass, PassOrder } from './pass.ts';

export interface SideOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly concurrency: number;
}

/** Reads the topic until the pass is over, and has left its group when it resolves. */
export type ConsumerSide = (order: PassOrder, pass: Pass, options: SideOptions) => Promise<void>;

const ACKED: HandlerResult = { kind: 'acked' };

/** The whole loop, composed as the product composes it. */
export const millraceSide: ConsumerSide = async ({ group }, pass, { brokers, topic, concurrency }) => {
  const running = await startGroup({
    brokers,
    topic,
    group,
    broker: countingCommits(createKafkaJsDriver({ brokers, clientId: 'bench', logger: SILENT_LOGGER }), pass),
    limits: { concurrencyMax: concurrency },
    handler: async (event, { partition, offset }) => {
      await pass.handle(keyNumber(event.aggregateId), partition, Number(offset));
      return ACKED;
    },
  });
  await pass.over;
  await running.stop(AbortSignal.timeout(10_000));
};

/** Key lanes alone, over kafkajs as an intake. */
export const lanesSide: ConsumerSide = async ({ group }, pass, options) => {
  const lanes = new BareLanes<{ readonly key: number; readonly partition: number; readonly offset: number }>(
    options.concurrency,
    ({ key, partition, offset }) => pass.handle(key, partition, offset),
  );
  await plainConsumer(group, options, pass, {
    autoCommit: false,
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: 4,
    eachBatch: async (payload) => {
      const { batch } = payload;
      for (const { key, offset } of batch.messages) {
        const name = key === null ? '' : key.toString();
        lanes.push(name, { key: keyNumber(name), partition: batch.partition, offset: Number(offset) });
      }
      payload.resolveOffset(batch.lastOffset());
    },
  });
};

/** kafkajs as its documentation shows it: one record per partition at a time, commits by itself. */
export const eachMessageSide: ConsumerSide = async ({ group }, pass, options) => {
  await plainConsumer(group, options, pass, {
    partitionsConsumedConcurrently: PARTITIONS,
    eachMessage: async ({ partition, message }) => {
      await pass.handle(keyNumber(message.key === null ? '' : message.key.toString()), partition, Number(message.offset));
    },
  });
};

async function plainConsumer(group: string, options: SideOptions, pass: Pass, run: kafkajs.ConsumerRunConfig): Promise<void> {
  const { brokers, topic } = options;
  const client = new kafkajs.Kafka({ brokers: [...brokers], clientId: 'bench', logLevel: kafkajs.logLevel.NOTHING });
  const consumer = client.consumer({ groupId: group, maxWaitTimeInMs: 250 });
  consumer.on(consumer.events.COMMIT_OFFSETS, () => {
    pass.commits += 1;
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run(run);
  await pass.over;
  await consumer.disconnect();
}

function countingCommits(driver: BrokerDriver, pass: Pass): Pick<BrokerDriver, 'consumer'> {
  return {
    consumer(options) {
      const consumer = driver.consumer(options);
      const counting: Consumer = {
        start: (events) => consumer.start(events),
        pause: (partitions) => consumer.pause(partitions),
        resume: (partitions) => consumer.resume(partitions),
        seek: (partition, to) => consumer.seek(partition, to),
        commit: (positions) => {
          pass.commits += 1;
          return consumer.commit(positions);
        },
        stop: () => consumer.stop(),
      };
      return counting;
    },
  };
}
