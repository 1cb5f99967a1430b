import { ConnectRest } from '../../connectors/debezium/connect-rest.ts';
import { PASSWORD_REFERENCE_VARIABLE } from '../../stack/endpoints.ts';
import { stackUp } from '../../stack/stack.ts';
import { services } from './services.ts';
import { systemClock } from './system-clock.ts';

export interface KafkaConnect {
  readonly url: string;
  readonly rest: ConnectRest;
  /** How a connector names the password of the run's PostgreSQL. */
  readonly passwordReference: string;
}

/**
 * Kafka Connect with Debezium beside the run's servers: started by the first test that asks, used by the others, stopped
 * with the run's stack. One that is given by its address is used only when it says how it finds the password.
 */
export async function kafkaConnect(): Promise<KafkaConnect> {
  const { postgresUrl, kafkaBrokers, dataFolder } = services();
  const url = process.env['MILLRACE_TEST_KAFKA_CONNECT_URL'];
  const passwordReference = process.env[`MILLRACE_TEST_${PASSWORD_REFERENCE_VARIABLE}`];
  if (url !== undefined && passwordReference !== undefined) return { url, rest: restOf(url), passwordReference };
  const endpoints = await stackUp({
    dataFolder,
    parts: ['postgres', 'kafka', 'debezium'],
    given: { postgres: postgresUrl, kafka: kafkaBrokers },
  });
  const { connectUrl, connectPasswordReference } = endpoints;
  if (connectUrl === undefined || connectPasswordReference === undefined) throw new Error('the stack has no Kafka Connect');
  return { url: connectUrl, rest: restOf(connectUrl), passwordReference: connectPasswordReference };
}

function restOf(url: string): ConnectRest {
  return new ConnectRest({ url, secrets: [new URL(services().postgresUrl).password], clock: systemClock });
}
