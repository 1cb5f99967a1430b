import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { cloneFolder } from '../data-folder.ts';
import { PARTS } from '../parts.ts';
import { PORT_NAMES, type Ports } from '../ports.ts';
import { composeArguments, composeEnvironment } from './docker-stack.ts';

interface Service {
  readonly image: string;
  readonly profiles: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly (string | { source: string; bind?: { create_host_path?: boolean } })[];
  readonly healthcheck?: { readonly test: readonly string[]; readonly interval: string; readonly retries: number };
  readonly depends_on?: Readonly<Record<string, { condition: string; required?: boolean }>>;
}

const source = readFileSync(join(cloneFolder(), 'docker-compose.yml'), 'utf8');
const compose = parse(source, { merge: true }) as { services: Record<string, Service>; volumes: Record<string, unknown> };
const services = Object.entries(compose.services);
/** Runs to its end and has nothing that could be asked for its health. */
const ONE_SHOT = new Set(['log-topic']);

test('each profile has its services, and every service is in exactly one', () => {
  const of = (profile: string) => services.flatMap(([name, { profiles }]) => (profiles.includes(profile) ? [name] : [])).sort();
  expect(of('core')).toEqual(['elasticsearch', 'kafka', 'postgres', 'redis', 'registry']);
  expect(of('debezium')).toEqual(['debezium']);
  expect(of('tools')).toEqual(['fluent-bit', 'grafana', 'kafka-ui', 'kibana', 'log-topic', 'logstash', 'prometheus']);
  for (const [, { profiles }] of services) expect(profiles).toHaveLength(1);
});

test.each(services)('%s has an image with a full version', (_, { image }) => {
  expect(image).toMatch(/:v?\d+\.\d+(\.\d+)?(\.Final|-debug)?$/);
});

test.each(services.filter(([name]) => !ONE_SHOT.has(name)))('%s says whether it works', (_, { healthcheck }) => {
  expect(healthcheck?.test[0]).toMatch(/^CMD(-SHELL)?$/);
  expect(healthcheck?.test.length).toBeGreaterThan(1);
  expect(healthcheck?.interval).toMatch(/^\d+s$/);
  expect(healthcheck?.retries).toBeGreaterThan(10);
});

test.each(services)('%s publishes on the loopback interface only, at a port that can be chosen', (_, { ports = [] }) => {
  for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\$\{MILLRACE_[A-Z_]+_PORT:-\d+\}:\d+$/);
});

test.each(services)('%s mounts only files of the repository and declared volumes', (_, { volumes = [] }) => {
  for (const volume of volumes) {
    if (typeof volume !== 'string') {
      expect(volume.bind?.create_host_path).toBe(false);
      continue;
    }
    const mounted = volume.split(':')[0]!;
    if (mounted.startsWith('.')) expect(existsSync(join(cloneFolder(), mounted))).toBe(true);
    else expect(Object.keys(compose.volumes)).toContain(mounted);
  }
});

test.each(services)('%s waits for services that exist, and tolerates the absence of those of another profile', (_, service) => {
  for (const [name, { condition, required }] of Object.entries(service.depends_on ?? {})) {
    const other = compose.services[name]!;
    expect(condition).toBe(ONE_SHOT.has(name) ? 'service_completed_successfully' : 'service_healthy');
    if (other.profiles[0] !== service.profiles[0]) expect(required).toBe(false);
  }
});

test('every part of the stack is a service whose published port the stack chooses', () => {
  const ports = Object.fromEntries(PORT_NAMES.map((name, index) => [name, 20_000 + index])) as unknown as Ports;
  const environment = composeEnvironment(ports, 'secret');
  for (const part of PARTS) {
    const variable = /\$\{(\w+):-/.exec(compose.services[part]!.ports![0]!)![1]!;
    expect(environment[variable]).toBe(String(ports[part]));
  }
  expect(source).toContain('${MILLRACE_POSTGRES_PASSWORD:-');
});

test('the broker tells clients of the host the port under which it is published', () => {
  expect(source).toContain('HOST://127.0.0.1:${MILLRACE_KAFKA_PORT:-9092}');
});

test('two data folders are two compose projects', () => {
  const project = (folder: string) => composeArguments(folder, ['ps'])[4];
  expect(project('/a')).toMatch(/^millrace-[0-9a-f]{8}$/);
  expect(project('/a')).not.toBe(project('/b'));
});

test('the files that containers mount can be read', () => {
  for (const file of ['prometheus.yml', 'grafana-datasources.yml', 'fluent-bit.yaml']) {
    expect(parse(readFileSync(join(cloneFolder(), 'stack', 'docker', file), 'utf8'))).toBeTypeOf('object');
  }
});
