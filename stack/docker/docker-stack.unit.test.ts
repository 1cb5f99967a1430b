import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { StackEvent } from '../progress.ts';
import { stackDown, stackReset, stackStatus, stackUp, type Part } from '../stack.ts';

/** A `docker` that notes how it was called and remembers which services are up; there is no engine behind it. */
const DOCKER = `#!/bin/sh
cd "$(dirname "$0")"
while [ "$1" != compose ]; do shift; done
shift 9
[ "$1" = ps ] || { echo "$@" >> calls; env | grep ^MILLRACE_ | sort > environment; }
[ -e broken ] && [ "$1" = up ] && { echo "Error response: no such image" >&2; exit 1; }
case $1 in
  up) shift 3; for service in "$@"; do echo "$service" >> running; done ;;
  down) rm -f running ;;
  stop) rm -f running ;;
  ps) [ -e running ] && cat running ;;
esac
exit 0
`;

let folder: string;
let bin: string;
let dataFolder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-docker-'));
  bin = join(folder, 'bin');
  dataFolder = join(folder, 'data');
  await mkdir(bin);
  await writeFile(join(bin, 'docker'), DOCKER, { mode: 0o755 });
  vi.stubEnv('PATH', `${bin}:${process.env['PATH'] ?? ''}`);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

const events: StackEvent[] = [];
const up = async (parts?: readonly Part[]) => {
  events.length = 0;
  return stackUp({ dataFolder, flavour: 'docker', given: {}, parts, progress: (event) => events.push(event) });
};

test('containers start together, and the addresses are those of the published ports', async () => {
  const endpoints = await up();
  expect(await calls()).toEqual(['up --detach --wait postgres kafka registry redis elasticsearch']);
  const variables = await environment();
  expect(endpoints.kafkaBrokers).toBe(`127.0.0.1:${variables['MILLRACE_KAFKA_PORT']}`);
  expect(endpoints.registryUrl).toBe(`http://127.0.0.1:${variables['MILLRACE_REGISTRY_PORT']}`);
  expect(new URL(endpoints.postgresUrl)).toMatchObject({
    username: 'millrace',
    password: variables['MILLRACE_POSTGRES_PASSWORD'],
    port: variables['MILLRACE_POSTGRES_PORT'],
  });
});

test('a connector in a container is told where PostgreSQL is there, and how to name its password', async () => {
  expect(await up()).not.toHaveProperty('connectUrl');
  const endpoints = await up(['postgres', 'debezium']);
  expect(endpoints.connectPostgresAddress).toBe('postgres:5432');
  expect(endpoints.connectPasswordReference).toBe('${env:MILLRACE_POSTGRES_PASSWORD}');
});

test('what runs keeps its port and is said to run already', async () => {
  const before = await up();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(Number(before.kafkaBrokers.split(':')[1]), '127.0.0.1', resolve));
  expect((other.address() as AddressInfo).port).toBeGreaterThan(0);
  expect(await up()).toEqual(before);
  expect(new Set(events.map(({ step }) => step))).toEqual(new Set(['running already']));
  other.close();
});

test('asking for Debezium or the registry brings the broker along', async () => {
  await up(['debezium']);
  expect(await calls()).toEqual(['up --detach --wait kafka debezium']);
});

test('a failed start stops what it had started, and says why', async () => {
  await writeFile(join(bin, 'broken'), '');
  await expect(up(['redis'])).rejects.toThrow(/docker compose up failed: Error response: no such image\nCheck that Docker runs/);
  expect(await calls()).toEqual(['up --detach --wait redis', 'stop redis']);
});

test('down keeps the volumes, and reset removes them', async () => {
  await up(['redis']);
  await stackDown({ dataFolder });
  expect((await stackStatus({ dataFolder }))?.parts.every(({ state }) => state === 'stopped')).toBe(true);
  await stackReset({ dataFolder });
  expect((await calls()).slice(1)).toEqual(['down', 'down', 'down --volumes']);
  expect(await stackStatus({ dataFolder })).toBeUndefined();
});

test('a folder keeps its flavour until it is reset', async () => {
  await up(['redis']);
  await expect(stackUp({ dataFolder, flavour: 'native', given: {} })).rejects.toThrow(/holds a stack of the docker flavour/);
});

async function calls(): Promise<string[]> {
  return (await readFile(join(bin, 'calls'), 'utf8')).trim().split('\n');
}

async function environment(): Promise<Record<string, string>> {
  const lines = (await readFile(join(bin, 'environment'), 'utf8')).trim().split('\n');
  return Object.fromEntries(lines.map((line) => line.split('=') as [string, string]));
}
