import { spawn } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTokenSigner } from '../../api/sign-token.ts';
import { registerUsers } from '../../cli/development-user.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { loadConfig } from '../../runtime/config.ts';
import { migrateDomain } from '../../runtime/postgres/migrate.ts';
import type { OwnServers } from '../servers.ts';

const READY_WITHIN_MS = 20_000;
const POLL_MS = 50;

export interface RunningApi {
  readonly pid: number;
  readonly port: number;
  /** With a token of each user, one a line. */
  readonly tokenFile: string;
  /** One number of `/metrics`, summed over its series whose labels hold the text. */
  metric(name: string, labels?: string): Promise<number>;
  stop(): Promise<void>;
}

export interface ApiStart {
  readonly servers: OwnServers;
  /** `cli/main.ts` as JavaScript. */
  readonly program: string;
  readonly port: number;
  readonly users: number;
  readonly profileFolder?: string | undefined;
}

/** The product's own process of the role `api`, with users who are registered and tokens that are signed as it signs them. Its log goes to a file. */
export async function startApi({ servers, program, port, users, profileFolder }: ApiStart): Promise<RunningApi> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const settings = {
    POSTGRES_URL: servers.postgresUrl,
    REDIS_URL: servers.redisUrl,
    // Not asked by a check, and not started.
    KAFKA_BROKERS: servers.kafkaBrokers.join(','),
    SCHEMA_REGISTRY_URL: servers.registryUrl,
    ELASTICSEARCH_URL: 'http://127.0.0.1:9',
    HTTP_PORT: port.toString(),
    AUTH_PUBLIC_KEY: publicKey,
  };
  const config = loadConfig(settings, { auth: true });
  for (const domain of ['auth', 'image'])
    await migrateDomain({ databaseUrl: `${servers.postgresUrl}/${domain}`, domain, logger: SILENT_LOGGER });
  const userIds = Array.from({ length: users }, (_, index) => `user-${index}`);
  await registerUsers(config, userIds);
  const { issuer, audience } = config.auth;
  const sign = createTokenSigner({ issuer, audience, key: { kind: 'private-key', pem: privateKey } });
  const tokens: string[] = [];
  for (const userId of userIds) tokens.push(await sign({ userId, sessionId: randomUUID(), permissions: [] }, Date.now()));
  const tokenFile = join(servers.dataFolder, 'tokens');
  await writeFile(tokenFile, tokens.join('\n'));

  const log = await open(join(servers.dataFolder, 'api.log'), 'w');
  const profiling = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];
  const child = spawn(process.execPath, [...profiling, program, 'run', 'api', '--with-parent'], {
    env: { PATH: process.env['PATH'], ...settings },
    stdio: ['ignore', log.fd, log.fd],
  });
  const ended = once(child, 'exit');
  const url = `http://127.0.0.1:${port}`;
  for (const deadline = Date.now() + READY_WITHIN_MS; !(await isLive(url));) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error('the API does not answer');
    await sleep(POLL_MS);
  }
  return {
    pid: child.pid ?? 0,
    port,
    tokenFile,
    async metric(name, labels = '') {
      const text = await (await fetch(`${url}/metrics`)).text();
      const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(labels));
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
      await log.close();
    },
  };
}

async function isLive(url: string): Promise<boolean> {
  return fetch(`${url}/health/live`).then(
    ({ ok }) => ok,
    () => false,
  );
}
