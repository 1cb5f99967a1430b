import type { BrokerAdmin, BrokerDriver, Consumer, ConsumerOptions, Producer } from '../../core/broker.ts';
import type { HealthReport, HealthSource } from '../../core/lifecycle.ts';
import { KafkaJsAdmin } from './kafkajs-admin.ts';
import type { KafkaJsSettings } from './kafkajs-client.ts';
import { KafkaJsConsumer } from './kafkajs-consumer.ts';
import { applyKafkaJsPatches } from './kafkajs-patches.ts';
import { KafkaJsProducer } from './kafkajs-producer.ts';

/**
 * The broker port over kafkajs 2.2.4. Its classes (KafkaJsProducer, KafkaJsConsumer, KafkaJsAdmin) say what each promises beyond
 * the port. `health` reports every consumer, and whether the client runs with the repairs of kafkajs-patches.ts: without
 * them a rebalance does not wait for `onRevoking`, null headers become empty ones, and idle connections cost processor time.
 */
export function createKafkaJsDriver(options: KafkaJsSettings): BrokerDriver & HealthSource {
  const logger = options.logger.child({ 'log.logger': 'kafka' });
  const settings = { ...options, logger };
  const patches = applyKafkaJsPatches();
  if (!patches.applied) logger.warn({ 'kafkajs.version': patches.version, reason: patches.reason }, 'kafkajs runs without its repairs');
  let consumers: KafkaJsConsumer[] = [];

  return {
    producer({ clientId }): Producer {
      return new KafkaJsProducer({ settings, clientId, patched: patches.applied, logger });
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
    health(): HealthReport[] {
      const client: HealthReport = {
        name: 'kafka.client',
        status: patches.applied ? 'ok' : 'degraded',
        ...(patches.applied ? {} : { detail: `kafkajs ${patches.version} runs without its repairs: ${patches.reason ?? ''}` }),
        facts: { version: patches.version, patched: patches.applied },
      };
      return [client, ...consumers.map((consumer) => consumer.health())];
    },
  };
}
