import { newState, type DataFolder, type StackState } from '../data-folder.ts';
import { ADDRESS_VARIABLE, withoutPassword, type GivenEndpoints } from '../endpoints.ts';
import { answers } from '../health.ts';
import { PARTS, type Part } from '../parts.ts';
import { freePorts, isFree, PORT_NAMES, PORTS_OF, type PortName, type Ports } from '../ports.ts';
import type { StackEvent, Step } from '../progress.ts';
import type { PartStatus, Stack, UpRequest } from '../stack.ts';
import { StackError } from '../stack-error.ts';
import { postgresOwner, reachableFolder } from './account.ts';
import { cacheFolder } from './cache.ts';
import { runningIn, stop, type DaemonFiles } from './daemon.ts';
import { debezium } from './debezium.ts';
import { elasticsearch } from './elasticsearch.ts';
import { kafka } from './kafka.ts';
import type { NativePart } from './native-part.ts';
import { PartStart } from './part-start.ts';
import { postgres } from './postgres.ts';
import { redis } from './redis.ts';
import { registry } from './registry.ts';

const NATIVE: Readonly<Record<Part, NativePart>> = { postgres, kafka, registry, redis, elasticsearch, debezium };

const PORT_ATTEMPTS = 3;

/** Servers as plain processes of this machine, from package registries, without root and without containers. */
export class NativeStack implements Stack {
  readonly #folder: DataFolder;

  constructor(folder: DataFolder) {
    this.#folder = folder;
  }

  async up(request: UpRequest): Promise<Readonly<Record<Part, string>>> {
    await checkGiven(request);
    const own = request.parts.filter((part) => request.given[part] === undefined);
    for (let attempt = 1; ; attempt++) {
      const state = await this.#stateFor(own);
      try {
        return await this.#start(own, state, request);
      } catch (error) {
        // Between choosing a port and listening on it, another program can take it.
        const ports = await this.#portsFor(state.ports, own);
        if (request.signal.aborted || attempt === PORT_ATTEMPTS || PORT_NAMES.every((name) => ports[name] === state.ports[name]))
          throw error;
      }
    }
  }

  /** Capture before broker, and PostgreSQL last: nobody is left to complain about a server that went first. */
  async down(parts: readonly Part[] | undefined, report: (event: StackEvent) => void): Promise<void> {
    const wanted = parts ?? PARTS;
    for (const wave of [['debezium'], ['registry', 'redis', 'elasticsearch', 'kafka'], ['postgres']] as const) {
      await Promise.all(wave.filter((part) => wanted.includes(part)).map(async (part) => this.#stop(part, report)));
    }
  }

  async status(): Promise<readonly PartStatus[]> {
    const state = await this.#folder.readState();
    if (state === undefined) return [];
    const addresses = addressesOf(state.ports, await this.#folder.postgresPassword(), {});
    return Promise.all(PARTS.map(async (part) => this.#statusOf(part, addresses[part])));
  }

  /** Everything is in the data folder, or named by its state. */
  async discard(): Promise<void> {
    return Promise.resolve();
  }

  /** The state, with other ports for the parts that have to start and find theirs taken; on disk before anything starts. */
  async #stateFor(own: readonly Part[]): Promise<StackState> {
    const before = (await this.#folder.readState()) ?? (await newState('native'));
    const wanted = this.#folder.of('postgres');
    const reachable = before.postgresFolder ?? reachableFolder(wanted, own.includes('postgres') ? postgresOwner() : undefined);
    const state: StackState = {
      ...before,
      ports: await this.#portsFor(before.ports, own),
      ...(reachable === wanted ? {} : { postgresFolder: reachable }),
    };
    await this.#folder.writeState(state);
    return state;
  }

  async #start(own: readonly Part[], state: StackState, request: UpRequest): Promise<Readonly<Record<Part, string>>> {
    const password = await this.#folder.postgresPassword();
    const addresses = addressesOf(state.ports, password, request.given);
    const failed = new AbortController();
    const shared = { ...state, password, addresses, signal: AbortSignal.any([request.signal, failed.signal]) };
    const starts = new Map<Part, PartStart>();
    for (const part of inOrderOfNeed(own)) {
      const start = new PartStart({
        native: NATIVE[part],
        files: this.#filesOf(part),
        cache: cacheFolder(),
        context: { ...shared, folder: part === 'postgres' ? (state.postgresFolder ?? this.#folder.of(part)) : this.#folder.of(part) },
        needs: NATIVE[part].needs.flatMap((need) => starts.get(need) ?? []),
        report: (step, detail) => request.report(detail === undefined ? { part, step } : { part, step, detail }),
      });
      starts.set(part, start);
    }
    await runAll([...starts.values()], failed, request);
    return addresses;
  }

  async #portsFor(ports: Ports, own: readonly Part[]): Promise<Ports> {
    const stopped: Part[] = [];
    for (const part of own) {
      if ((await runningIn(this.#filesOf(part))) === undefined) stopped.push(part);
    }
    return portsWithoutTaken(ports, stopped);
  }

  async #stop(part: Part, report: (event: StackEvent) => void): Promise<void> {
    const files = this.#filesOf(part);
    if ((await runningIn(files)) === undefined) return;
    report({ part, step: 'stopping' });
    await stop(files, NATIVE[part].stopSteps);
    report({ part, step: 'stopped' });
  }

  async #statusOf(part: Part, address: string): Promise<PartStatus> {
    const identity = await runningIn(this.#filesOf(part));
    if (identity === undefined) return { part, state: 'stopped', address };
    const state = (await answers(part, address)) ? 'running' : 'not answering';
    return { part, state, address, pid: identity.pid, log: this.#folder.log(part) };
  }

  #filesOf(part: Part): DaemonFiles {
    return { log: this.#folder.log(part), identity: this.#folder.processFile(part) };
  }
}

/** All parts at once, each as early as its needs allow; the first failure stops the others and what has started. */
async function runAll(starts: readonly PartStart[], failed: AbortController, request: UpRequest): Promise<void> {
  const outcomes = await Promise.allSettled(
    starts.map(async (start) => {
      try {
        await start.run();
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }),
  );
  if (outcomes.every(({ status }) => status === 'fulfilled')) return;
  await Promise.all(starts.map(async (start) => start.undo()));
  request.signal.throwIfAborted();
  throw failed.signal.reason;
}

async function checkGiven(request: UpRequest): Promise<void> {
  await Promise.all(
    request.parts.map(async (part) => {
      const address = request.given[part];
      if (address === undefined) return;
      if (!(await answers(part, address))) {
        throw new StackError(
          `${ADDRESS_VARIABLE[part]} is given, but nothing answers at ${withoutPassword(address)}`,
          'Start that server, correct the address, or unset the variable so that the stack starts its own.',
        );
      }
      const step: Step = 'given';
      request.report({ part, step, detail: withoutPassword(address) });
    }),
  );
}

function addressesOf(ports: Ports, password: string, given: GivenEndpoints): Readonly<Record<Part, string>> {
  return Object.fromEntries(PARTS.map((part) => [part, given[part] ?? NATIVE[part].address(ports, password)])) as Record<Part, string>;
}

function inOrderOfNeed(parts: readonly Part[]): readonly Part[] {
  return [...parts].sort((a, b) => NATIVE[a].needs.length - NATIVE[b].needs.length);
}

/** The same ports, except those of `stopped` parts on which somebody else listens by now. */
export async function portsWithoutTaken(ports: Ports, stopped: readonly Part[]): Promise<Ports> {
  const names: PortName[] = [];
  for (const name of stopped.flatMap((part) => PORTS_OF[part])) {
    if (!(await isFree(ports[name]))) names.push(name);
  }
  const fresh = await freePorts(names.length, Object.values(ports));
  return { ...ports, ...Object.fromEntries(names.map((name, index) => [name, fresh[index]])) };
}
