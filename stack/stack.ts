import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chooseFlavour } from './choose-flavour.ts';
import { DataFolder, defaultDataFolder } from './data-folder.ts';
import { CONTAINER_PASSWORD_REFERENCE, DockerStack } from './docker/docker-stack.ts';
import { endpointsFrom, givenByEnvironment, PASSWORD_REFERENCE_VARIABLE, type GivenEndpoints, type StackEndpoints } from './endpoints.ts';
import { withLock } from './lock.ts';
import { passwordReference } from './native/debezium.ts';
import { NativeStack } from './native/native-stack.ts';
import { CORE_PARTS, type Part } from './parts.ts';
import type { Flavour, PartStatus, Stack } from './flavour.ts';
import { StackError } from './stack-error.ts';
import type { StackEvent } from './progress.ts';

export type { Flavour, GivenEndpoints, Part, PartStatus, StackEndpoints, StackEvent };

export interface StackOptions {
  readonly flavour?: Flavour | undefined;
  /** Default: all but `debezium`. For `stackDown`: everything. */
  readonly parts?: readonly Part[] | undefined;
  /** Default: `.millrace/stack` in the clone. */
  readonly dataFolder?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((event: StackEvent) => void) | undefined;
  /** Servers that run already. Default: what the environment names (POSTGRES_URL, KAFKA_BROKERS, ...). */
  readonly given?: GivenEndpoints | undefined;
}

export interface StackStatus {
  readonly flavour: Flavour;
  readonly endpoints: StackEndpoints;
  readonly parts: readonly PartStatus[];
}

/**
 * Brings the parts up and resolves with their addresses when all of them answer; what runs already is left alone. Throws a
 * StackError when something is missing or does not start, and then, as after an abort, has stopped what this call started.
 */
export async function stackUp(options: StackOptions = {}): Promise<StackEndpoints> {
  const folder = new DataFolder(options.dataFolder ?? defaultDataFolder());
  const parts = options.parts ?? CORE_PARTS;
  const signal = options.signal ?? new AbortController().signal;
  const given = options.given ?? givenByEnvironment(process.env);
  await folder.prepare();
  return withLock(folder.lockFile, { signal }, async () => {
    const flavour = await chooseFlavour(folder, options.flavour);
    const addresses = await stackOf(flavour, folder).up({
      parts,
      given,
      signal,
      report: options.progress ?? ignore,
    });
    return endpointsFrom(addresses, parts.includes('debezium') ? connectOf(flavour, folder, given) : undefined);
  });
}

/** Stops the servers that run from this data folder; their data stays. Nothing to stop is no error. */
export async function stackDown(options: Omit<StackOptions, 'given'> = {}): Promise<void> {
  const folder = new DataFolder(options.dataFolder ?? defaultDataFolder());
  if (!existsSync(folder.path)) return;
  await withLock(folder.lockFile, { signal: options.signal }, async () => {
    const state = await folder.readState();
    if (state !== undefined) await stackOf(state.flavour, folder).down(options.parts, options.progress ?? ignore);
  });
}

/** What runs from this data folder; undefined when no stack was ever started there. */
export async function stackStatus(options: Pick<StackOptions, 'dataFolder'> = {}): Promise<StackStatus | undefined> {
  const folder = new DataFolder(options.dataFolder ?? defaultDataFolder());
  const state = await folder.readState();
  if (state === undefined) return undefined;
  const parts = await stackOf(state.flavour, folder).status();
  const addresses = Object.fromEntries(parts.map(({ part, address }) => [part, address])) as Record<Part, string>;
  const withConnect = parts.some(({ part, state: is }) => part === 'debezium' && is === 'running');
  const connect = withConnect ? connectOf(state.flavour, folder, {}) : undefined;
  return { flavour: state.flavour, endpoints: endpointsFrom(addresses, connect), parts };
}

/** Stops the servers and deletes their data, logs and state. Other files in the folder stay. */
export async function stackReset(options: Omit<StackOptions, 'given' | 'parts'> = {}): Promise<void> {
  const folder = new DataFolder(options.dataFolder ?? defaultDataFolder());
  if (!existsSync(folder.path)) return;
  if (!existsSync(join(folder.path, 'stack.json')) && !existsSync(join(folder.path, 'run'))) {
    throw new StackError(`${folder.path} does not hold a stack`, 'Check --data-folder.');
  }
  await withLock(folder.lockFile, { signal: options.signal }, async () => {
    const state = await folder.readState();
    if (state !== undefined) {
      const stack = stackOf(state.flavour, folder);
      await stack.down(undefined, options.progress ?? ignore);
      await stack.discard();
    }
    await folder.empty();
  });
  await folder.removeIfEmpty();
}

/** What a connector must know beside Connect's address; of a Connect that is given, only its owner can say. */
function connectOf(
  flavour: Flavour,
  folder: DataFolder,
  given: GivenEndpoints,
): Pick<StackEndpoints, 'connectPostgresAddress' | 'connectPasswordReference'> {
  if (given.debezium !== undefined) {
    const reference = process.env[PASSWORD_REFERENCE_VARIABLE];
    return reference === undefined ? {} : { connectPasswordReference: reference };
  }
  if (flavour === 'native') return { connectPasswordReference: passwordReference(folder.of('debezium')) };
  return {
    ...(given.postgres === undefined ? { connectPostgresAddress: 'postgres:5432' } : {}),
    connectPasswordReference: CONTAINER_PASSWORD_REFERENCE,
  };
}

function stackOf(flavour: Flavour, folder: DataFolder): Stack {
  return flavour === 'docker' ? new DockerStack(folder) : new NativeStack(folder);
}

const ignore = () => undefined;
