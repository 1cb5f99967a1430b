import { existsSync } from 'node:fs';
import type { StackEndpoints } from '../stack/stack.ts';
import type { LocalFolder } from './local-folder.ts';
import { newDevelopmentSecret, readJson, writeJson } from './local-folder.ts';
import { freePort } from './local-roles.ts';

type Settings = Record<string, string>;

const DEFAULT_PORT = '8080';

/** The settings of a local run: where the servers answer, and a development secret made once for this folder. */
export async function writeLocalSettings(folder: LocalFolder, endpoints: StackEndpoints): Promise<Settings> {
  const before = readJson<Settings>(folder.configFile) ?? {};
  const wantedPort = Number(process.env['HTTP_PORT'] ?? DEFAULT_PORT);
  const port = await freePort(wantedPort);
  if (wantedPort !== 0 && port !== wantedPort)
    console.log(`${'api'.padEnd(13)} port ${wantedPort} is taken, the API uses ${port} (HTTP_PORT chooses another)`);
  const settings: Settings = {
    POSTGRES_URL: endpoints.postgresUrl,
    KAFKA_BROKERS: endpoints.kafkaBrokers,
    SCHEMA_REGISTRY_URL: endpoints.registryUrl,
    REDIS_URL: endpoints.redisUrl,
    ELASTICSEARCH_URL: endpoints.elasticsearchUrl,
    ...connectSettings(endpoints),
    AUTH_DEVELOPMENT: 'true',
    AUTH_DEVELOPMENT_SECRET: before['AUTH_DEVELOPMENT_SECRET'] ?? newDevelopmentSecret(),
    HTTP_PORT: String(port),
  };
  writeJson(folder.configFile, settings);
  return settings;
}

function connectSettings({ connectUrl, connectPasswordReference, connectPostgresAddress }: StackEndpoints): Settings {
  if (connectUrl === undefined || connectPasswordReference === undefined) return {};
  return {
    KAFKA_CONNECT_URL: connectUrl,
    KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE: connectPasswordReference,
    ...(connectPostgresAddress === undefined ? {} : { KAFKA_CONNECT_POSTGRES_ADDRESS: connectPostgresAddress }),
  };
}

export function hasSettings(folder: LocalFolder): boolean {
  return existsSync(folder.configFile) || process.env['POSTGRES_URL'] !== undefined || process.env['MILLRACE_CONFIG_FILE'] !== undefined;
}

/** The process's environment over the folder's settings, where it has some; as `loadConfig` reads it. */
export function localEnvironment(folder: LocalFolder): Record<string, string | undefined> {
  const file = process.env['MILLRACE_CONFIG_FILE'] ?? (existsSync(folder.configFile) ? folder.configFile : undefined);
  return { ...process.env, MILLRACE_CONFIG_FILE: file };
}
