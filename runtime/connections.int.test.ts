import { afterAll, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../core/log.ts';
import { pipeline } from '../pipeline.ts';
import { services } from '../test/support/services.ts';
import { temporaryDatabases } from '../test/support/temporary-databases.ts';
import { loadConfig } from './config.ts';
import { Connections } from './connections.ts';

const databases = temporaryDatabases('connect');
afterAll(() => databases.dropAll());

it('connections keep the plans of statements, unless the configuration says that a pooler cannot', async () => {
  await databases.admin(`CREATE DATABASE "${databases.namespace}_my"`);
  const kept = async (setting: string): Promise<bigint | undefined> => {
    const given = services();
    const config = loadConfig({
      MILLRACE_NAMESPACE: databases.namespace,
      POSTGRES_URL: given.postgresUrl,
      POSTGRES_POOL_MAX: '1',
      POSTGRES_PREPARED_STATEMENTS: setting,
      KAFKA_BROKERS: given.kafkaBrokers,
      SCHEMA_REGISTRY_URL: given.registryUrl,
      REDIS_URL: given.redisUrl,
      ELASTICSEARCH_URL: given.elasticsearchUrl,
    });
    const connections = new Connections(pipeline, config, SILENT_LOGGER, 'connections-test');
    try {
      const database = connections.database('my');
      await database.prepared('SELECT 1 AS one', []);
      const [row] = await database.query<{ plans: bigint }>('SELECT count(*) AS plans FROM pg_prepared_statements');
      return row?.plans;
    } finally {
      for (const service of connections.services()) await service.stop(AbortSignal.timeout(5_000));
    }
  };
  expect(await kept('true')).toBe(1n);
  expect(await kept('false')).toBe(0n);
});
