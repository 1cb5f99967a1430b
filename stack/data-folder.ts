import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Flavour } from './flavour.ts';
import { PARTS, type Part } from './parts.ts';
import { freePorts, PORT_NAMES, type PortName, type Ports } from './ports.ts';
import { StackError } from './stack-error.ts';

/** What must be the same the next time: written before anything that depends on it starts. */
export interface StackState {
  readonly version: 1;
  readonly flavour: Flavour;
  readonly ports: Ports;
  readonly kafkaClusterId: string;
  /** Where PostgreSQL's files are when its user cannot reach the data folder. */
  readonly postgresFolder?: string;
}

/** One folder holds everything a local stack keeps: state, data of the servers, logs, process files. */
export class DataFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  of(part: Part): string {
    return join(this.path, part);
  }

  log(part: Part): string {
    return join(this.path, 'logs', `${part}.log`);
  }

  processFile(part: Part): string {
    return join(this.path, 'run', `${part}.pid`);
  }

  get lockFile(): string {
    return join(this.path, 'stack.lock');
  }

  async prepare(): Promise<void> {
    for (const folder of ['logs', 'run']) await mkdir(join(this.path, folder), { recursive: true });
  }

  /** The state of an earlier start; undefined when there was none. */
  async readState(): Promise<StackState | undefined> {
    const file = this.#stateFile;
    if (!existsSync(file)) return undefined;
    const state: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (isState(state)) return state;
    throw new StackError(`${file} is not the state of a stack of this version`, 'Remove the folder, or choose another --data-folder.');
  }

  async writeState(state: StackState): Promise<void> {
    await writeWhole(this.#stateFile, `${JSON.stringify(state, null, 2)}\n`, 0o644);
  }

  /** The password of the local PostgreSQL, made up at the first call and readable by the owner only. */
  async postgresPassword(): Promise<string> {
    const file = join(this.path, 'postgres.password');
    if (!existsSync(file)) await writeWhole(file, randomBytes(18).toString('base64url'), 0o600);
    return (await readFile(file, 'utf8')).trim();
  }

  /** Removes what a stack has made here, and nothing else: the folder may be one that the user named. */
  async empty(): Promise<void> {
    const state = existsSync(this.#stateFile) ? await this.readState() : undefined;
    if (state?.postgresFolder !== undefined) await rm(state.postgresFolder, { recursive: true, force: true });
    for (const name of [...PARTS, 'logs', 'run', 'postgres.password', 'stack.json']) {
      await rm(join(this.path, name), { recursive: true, force: true, maxRetries: 3 });
    }
  }

  async removeIfEmpty(): Promise<void> {
    await rmdir(this.path).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && (error.code === 'ENOTEMPTY' || error.code === 'ENOENT'))) throw error;
    });
  }

  get #stateFile(): string {
    return join(this.path, 'stack.json');
  }
}

/** A state for a first start, on ports that are free now. */
export async function newState(flavour: Flavour): Promise<StackState> {
  const numbers = await freePorts(PORT_NAMES.length);
  const ports = Object.fromEntries(PORT_NAMES.map((name, index) => [name, numbers[index]])) as Record<PortName, number>;
  return { version: 1, flavour, ports, kafkaClusterId: randomBytes(16).toString('base64url') };
}

export function defaultDataFolder(): string {
  return join(cloneFolder(), '.millrace', 'stack');
}

/** The folder of package.json, from the sources as well as from the compiled files. */
export function cloneFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
}

async function writeWhole(file: string, text: string, mode: number): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.new`, text, { mode });
  await chmod(`${file}.new`, mode);
  await rename(`${file}.new`, file);
}

function isState(value: unknown): value is StackState {
  const state = value as Partial<StackState> | null;
  return (
    state?.version === 1 &&
    (state.flavour === 'native' || state.flavour === 'docker') &&
    typeof state.kafkaClusterId === 'string' &&
    PORT_NAMES.every((name) => Number.isInteger(state.ports?.[name]))
  );
}
