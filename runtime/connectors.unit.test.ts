import { describe, expect, it } from 'vitest';
import type { ConnectRest } from '../connectors/debezium/connect-rest.ts';
import { pipelineIn } from '../pipeline.ts';
import { loadConfig } from './config.ts';
import { declaredConnectors, planDeletion, showConnectors } from './connectors.ts';

const SERVERS = {
  POSTGRES_URL: 'postgres://u@db:5432',
  KAFKA_BROKERS: 'k:9092',
  SCHEMA_REGISTRY_URL: 'http://r',
  REDIS_URL: 'redis://r',
  ELASTICSEARCH_URL: 'http://e',
  KAFKA_CONNECT_URL: 'http://c',
};
const config = loadConfig(SERVERS, { auth: false, connectorPasswords: false });
const connectors = declaredConnectors(pipelineIn('UTC'), config);
const connector = (name: string) => connectors.find((each) => each.name === name)!;

/** Kafka Connect that knows these connectors, all of them running; whatever would change it fails. */
function connect(...names: string[]): ConnectRest {
  const status = async (name: string) =>
    names.includes(name) ? { name, state: 'RUNNING', tasks: [{ id: 0, state: 'RUNNING', trace: undefined }], trace: undefined } : undefined;
  return { status } as unknown as ConnectRest;
}

describe('the connectors of a pipeline', () => {
  it('can be looked at without saying where Kafka Connect finds passwords, which only registering needs', async () => {
    expect(() => loadConfig(SERVERS)).toThrow('KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE is missing');
    const shown = await showConnectors(connect('auth-cdc-connector'), connectors);
    expect(shown.find(({ name }) => name === 'auth-cdc-connector')?.verdict).toBe('ok');
    expect(shown.filter(({ verdict }) => verdict === 'absent').every(({ wanted }) => wanted)).toBe(true);
  });

  it('say what a deletion would take away, and change nothing for it', async () => {
    expect(await planDeletion(connect('image-connector'), connector('image-connector'), config)).toEqual([
      'would delete the connector image-connector with its offsets',
      expect.stringMatching(/^slot millrace_image would stay/),
    ]);
    expect(await planDeletion(connect(), connector('auth-cdc-connector'), config)).toEqual([
      'connector auth-cdc-connector: is not there',
      expect.stringMatching(/^would drop the slot millrace_auth_cdc, if it is there/),
    ]);
  });
});
