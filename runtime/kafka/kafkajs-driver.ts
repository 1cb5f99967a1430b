import type { BrokerAdmin, BrokerDriver, Consumer, ConsumerOptions, Producer } from '../../core/broker.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { LogReader } from '../../core/log-reader.ts';
import type { HealthReport, HealthSource } from '../../core/lifecycle.ts';
import type { BatchProducer } from '../../core/record-batch.ts';
import { KafkaJsAdmin } from './kafkajs-admin.ts';
import { KafkaJsBatchProducer } from './kafkajs-batch-producer.ts';
import type { KafkaJsSettings } from './kafkajs-client.ts';
import { registerCodecs } from './kafkajs-codecs.ts';
import { KafkaJsConsumer } from './kafkajs-consumer.ts';
import { KafkaJsLogReader } from './kafkajs-log-reader.ts';
import { applyKafkaJsPatches, PATCHED_VERSION } from './kafkajs-patches.ts';
import { KafkaJsProducer } from './kafkajs-producer.ts';

/**
 * The broker port over kafkajs 2.2.4. Its classes (KafkaJsProducer, KafkaJsBatchProducer, KafkaJsConsumer, KafkaJsAdmin) say what each promises beyond
 * the port. `health` reports every consumer and batch producer, and whether the client runs with the repairs of kafkajs-patches.ts: without
 * them a rebalance does not wait for `onRevoking`, null headers become empty ones, and idle connections cost processor time.
 */
export function createKafkaJsDriver(options: KafkaJsSettings): BrokerDriver & HealthSource {
  const logger = options.logger.child({ 'log.logger': 'kafka' });
  const settings = { ...options, logger };
  const patches = applyKafkaJsPatches();
  registerCodecs();
  if (!patches.applied) logger.warn({ 'kafkajs.version': patches.version, reason: patches.reason }, 'kafkajs runs without its repairs');
  let consumers: KafkaJsConsumer[] = [];
  let batchProducers: KafkaJsBatchProducer[] = [];

  return {
    producer({ clientId }): Producer {
      return new KafkaJsProducer({ settings, clientId, patched: patches.applied, logger });
    },
    batchProducer({ clientId }): BatchProducer {
      if (!patches.applied) throw unknownClient(patches.version);
      const producer = new KafkaJsBatchProducer({ settings, clientId, logger });
      batchProducers = [...batchProducers.filter((other) => !other.isStopped()), producer];
      return producer;
    },
    consumer(consumerOptions: ConsumerOptions): Consumer {
      const consumer = new KafkaJsConsumer(consumerOptions, {
        settings,
        patched: patches.applied,
        logger: logger.child({ 'kafka.group': consumerOptions.group }),
      });
      consumers = [...consumers.filter((other) => !other.isStopped()), consumer];
      return consumer;
    },
    admin(): BrokerAdmin {
      return new KafkaJsAdmin(settings);
    },
    logReader(): LogReader {
      return new KafkaJsLogReader(settings);
    },
    health(): HealthReport[] {
      const client: HealthReport = {
        name: 'kafka.client',
        status: patches.applied ? 'ok' : 'degraded',
        ...(patches.applied ? {} : { detail: `kafkajs ${patches.version} runs without its repairs: ${patches.reason ?? ''}` }),
        facts: { version: patches.version, patched: patches.applied },
      };
      return [client, ...[...batchProducers, ...consumers].map((one) => one.health())];
    },
  };
}

/** It writes to kafkajs's sockets, past its public interface: with another version nothing would be certain. */
function unknownClient(version: string): ClassifiedError {
  return new ClassifiedError('CONFIGURATION_INVALID', `record batches are written over kafkajs ${PATCHED_VERSION}, and this is ${version}`);
}
