import { existsSync } from 'node:fs';
import type { StackEndpoints } from '../stack/stack.ts';
import type { LocalFolder } from './local-folder.ts';
import { newDevelopmentSecret, readJson, writeJson } from './local-folder.ts';
import { freePort } from './local-roles.ts';

type Settings = Record<string, string>;

/** The settings of a local run: where the servers answer, and a development secret made once for this folder. */
export async function writeLocalSettings(folder: LocalFolder, endpoints: StackEndpoints, apiIsRunning: boolean): Promise<Settings> {
  const before = readJson<Settings>(folder.configFile) ?? {};
  const wantedPort = Number(process.env['HTTP_PORT'] ?? before['HTTP_PORT'] ?? '8080');
  const settings: Settings = {
    POSTGRES_URL: endpoints.postgresUrl,
    KAFKA_BROKERS: endpoints.kafkaBrokers,
    SCHEMA_REGISTRY_URL: endpoints.registryUrl,
    REDIS_URL: endpoints.redisUrl,
    ELASTICSEARCH_URL: endpoints.elasticsearchUrl,
    AUTH_DEVELOPMENT: 'true',
    AUTH_DEVELOPMENT_SECRET: before['AUTH_DEVELOPMENT_SECRET'] ?? newDevelopmentSecret(),
    HTTP_PORT: String(apiIsRunning ? wantedPort : await freePort(wantedPort)),
  };
  writeJson(folder.configFile, settings);
  return settings;
}

/** The process's environment over the folder's settings, where it has some; as `loadConfig` reads it. */
export function localEnvironment(folder: LocalFolder): Record<string, string | undefined> {
  const file = process.env['MILLRACE_CONFIG_FILE'] ?? (existsSync(folder.configFile) ? folder.configFile : undefined);
  return { ...process.env, MILLRACE_CONFIG_FILE: file };
}
