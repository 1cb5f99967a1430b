import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { cloneFolder, newState, type DataFolder, type StackState } from '../data-folder.ts';
import type { PartStatus, Stack, UpRequest } from '../flavour.ts';
import { answers } from '../health.ts';
import { addressesOf, checkGiven } from '../given.ts';
import { PARTS, type Part } from '../parts.ts';
import { portsWithoutTaken, type Ports } from '../ports.ts';
import type { StackEvent } from '../progress.ts';
import { StackError } from '../stack-error.ts';
import { runTool } from '../run-tool.ts';

const REMEDY = 'Check that Docker runs and has the compose command (`docker compose version`), then start again.';

/** How a connector in the container of Kafka Connect names PostgreSQL's password; docker-compose.yml gives it. */
export const CONTAINER_PASSWORD_REFERENCE = '${env:MILLRACE_POSTGRES_PASSWORD}';

/** Containers of docker-compose.yml, in a compose project of its own for each data folder. */
export class DockerStack implements Stack {
  readonly #folder: DataFolder;

  constructor(folder: DataFolder) {
    this.#folder = folder;
  }

  async up(request: UpRequest): Promise<Readonly<Record<Part, string>>> {
    await checkGiven(request);
    const own = withNeeds(request.parts).filter((part) => request.given[part] === undefined);
    if (own.includes('registry') && request.given.kafka !== undefined) {
      throw new StackError('A registry in a container cannot store its schemas in a broker outside', 'Give SCHEMA_REGISTRY_URL as well.');
    }
    const running = await this.#running(request.signal);
    const state = await this.#stateFor(own.filter((part) => !running.has(part)));
    if (own.length > 0) await this.#start(own, running, state, request);
    return this.#addresses(state.ports, request.given);
  }

  async down(parts: readonly Part[] | undefined, report: (event: StackEvent) => void): Promise<void> {
    const signal = new AbortController().signal;
    const stopping = [...(await this.#running(signal))].filter((part) => parts?.includes(part) ?? true);
    for (const part of stopping) report({ part, step: 'stopping' });
    await this.#compose(parts === undefined ? ['down'] : ['stop', ...parts], signal);
    for (const part of stopping) report({ part, step: 'stopped' });
  }

  async status(): Promise<readonly PartStatus[]> {
    const state = await this.#folder.readState();
    if (state === undefined) return [];
    const running = await this.#running(new AbortController().signal);
    const addresses = await this.#addresses(state.ports, {});
    return Promise.all(
      PARTS.map(async (part): Promise<PartStatus> => {
        const address = addresses[part];
        if (!running.has(part)) return { part, state: 'stopped', address };
        return { part, state: (await answers(part, address)) ? 'running' : 'not answering', address };
      }),
    );
  }

  /** The volumes hold the data. */
  async discard(): Promise<void> {
    await this.#compose(['down', '--volumes'], new AbortController().signal);
  }

  async #start(own: readonly Part[], running: ReadonlySet<Part>, state: StackState, request: UpRequest): Promise<void> {
    const starting = own.filter((part) => !running.has(part));
    for (const part of starting) request.report({ part, step: 'starting', detail: 'the first time its image is downloaded' });
    try {
      await this.#compose(['up', '--detach', '--wait', ...own], request.signal, state);
    } catch (error) {
      if (starting.length > 0) await this.#compose(['stop', ...starting], new AbortController().signal, state);
      throw error;
    }
    for (const part of own) request.report({ part, step: running.has(part) ? 'running already' : 'ready' });
  }

  /** Other ports for what has to start where somebody else listens by now; on disk before anything starts. */
  async #stateFor(stopped: readonly Part[]): Promise<StackState> {
    const before = (await this.#folder.readState()) ?? (await newState('docker'));
    const state: StackState = { ...before, ports: await portsWithoutTaken(before.ports, stopped) };
    await this.#folder.writeState(state);
    return state;
  }

  async #running(signal: AbortSignal): Promise<ReadonlySet<Part>> {
    const state = await this.#folder.readState();
    if (state === undefined) return new Set();
    const services = (await this.#compose(['ps', '--services', '--status', 'running'], signal, state)).split('\n');
    return new Set(PARTS.filter((part) => services.includes(part)));
  }

  async #addresses(ports: Ports, given: UpRequest['given']): Promise<Readonly<Record<Part, string>>> {
    const password = await this.#folder.postgresPassword();
    return addressesOf(given, {
      postgres: `postgres://millrace:${password}@127.0.0.1:${ports.postgres}`,
      kafka: `127.0.0.1:${ports.kafka}`,
      registry: `http://127.0.0.1:${ports.registry}`,
      redis: `redis://127.0.0.1:${ports.redis}`,
      elasticsearch: `http://127.0.0.1:${ports.elasticsearch}`,
      debezium: `http://127.0.0.1:${ports.debezium}`,
    });
  }

  async #compose(command: readonly string[], signal: AbortSignal, known?: StackState): Promise<string> {
    const state = known ?? (await this.#folder.readState());
    if (state === undefined) return '';
    return runTool({
      command: 'docker',
      args: composeArguments(this.#folder.path, command),
      cwd: cloneFolder(),
      env: { ...process.env, ...composeEnvironment(state.ports, await this.#folder.postgresPassword()) },
      signal,
      purpose: `docker compose ${command[0] ?? ''}`,
      remedy: REMEDY,
    });
  }
}

/** Two data folders are two projects, so that their containers and volumes are apart. */
export function composeArguments(dataFolder: string, command: readonly string[]): readonly string[] {
  const project = `millrace-${createHash('sha256').update(dataFolder).digest('hex').slice(0, 8)}`;
  const file = join(cloneFolder(), 'docker-compose.yml');
  return ['compose', '--file', file, '--project-name', project, '--profile', 'core', '--profile', 'debezium', ...command];
}

/** The variables of docker-compose.yml. */
export function composeEnvironment(ports: Ports, password: string): Record<string, string> {
  const published = Object.fromEntries(PARTS.map((part) => [`MILLRACE_${part.toUpperCase()}_PORT`, String(ports[part])]));
  return { ...published, MILLRACE_POSTGRES_PASSWORD: password };
}

/** Connect and the registry keep what they know in the broker. */
function withNeeds(parts: readonly Part[]): readonly Part[] {
  const needsKafka = parts.includes('debezium') || parts.includes('registry');
  return PARTS.filter((part) => parts.includes(part) || (part === 'kafka' && needsKafka));
}
