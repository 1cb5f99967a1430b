import { newState, type DataFolder, type StackState } from '../data-folder.ts';
import type { PartStatus, Stack, UpRequest } from '../flavour.ts';
import { addressesOf, checkGiven } from '../given.ts';
import { answers } from '../health.ts';
import { PARTS, type Part } from '../parts.ts';
import { PORT_NAMES, portsWithoutTaken, type Ports } from '../ports.ts';
import type { StackEvent } from '../progress.ts';
import { postgresOwner, reachableFolder } from './account.ts';
import { cacheFolder, isInstalled } from './cache.ts';
import { runningIn, stop, type DaemonFiles } from './daemon.ts';
import { debezium } from './debezium.ts';
import { elasticsearch } from './elasticsearch.ts';
import { kafka } from './kafka.ts';
import type { NativePart } from './native-part.ts';
import { PartStart } from './part-start.ts';
import { postgres } from './postgres.ts';
import { redis } from './redis.ts';
import { registry } from './registry.ts';
import { requireTools, type Tool } from './toolchain.ts';

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
    const own = withNeeds(request.parts).filter((part) => request.given[part] === undefined);
    for (let attempt = 1; ; attempt++) {
      const stopped = await this.#stoppedOf(own);
      await requireTools(toolsFor(stopped));
      const state = await this.#stateFor(stopped);
      try {
        return await this.#start(own, state, request);
      } catch (error) {
        // Between choosing a port and listening on it, another program can take it.
        const ports = await portsWithoutTaken(state.ports, await this.#stoppedOf(own));
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
    const addresses = ownAddresses(state.ports, await this.#folder.postgresPassword());
    return Promise.all(PARTS.map(async (part) => this.#statusOf(part, addresses[part])));
  }

  /** Everything is in the data folder, or named by its state. */
  async discard(): Promise<void> {
    return Promise.resolve();
  }

  /** The state, with other ports for the parts that have to start and find theirs taken; on disk before anything starts. */
  async #stateFor(stopped: readonly Part[]): Promise<StackState> {
    const before = (await this.#folder.readState()) ?? (await newState('native'));
    const wanted = this.#folder.of('postgres');
    const reachable = before.postgresFolder ?? reachableFolder(wanted, stopped.includes('postgres') ? postgresOwner() : undefined);
    const state: StackState = {
      ...before,
      ports: await portsWithoutTaken(before.ports, stopped),
      ...(reachable === wanted ? {} : { postgresFolder: reachable }),
    };
    await this.#folder.writeState(state);
    return state;
  }

  async #start(own: readonly Part[], state: StackState, request: UpRequest): Promise<Readonly<Record<Part, string>>> {
    const password = await this.#folder.postgresPassword();
    const addresses = addressesOf(request.given, ownAddresses(state.ports, password));
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

  async #stoppedOf(parts: readonly Part[]): Promise<readonly Part[]> {
    const stopped: Part[] = [];
    for (const part of parts) {
      if ((await runningIn(this.#filesOf(part))) === undefined) stopped.push(part);
    }
    return stopped;
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

function ownAddresses(ports: Ports, password: string): Readonly<Record<Part, string>> {
  return Object.fromEntries(PARTS.map((part) => [part, NATIVE[part].address(ports, password)])) as Record<Part, string>;
}

/** What is needed to start these parts, and to install what the cache does not hold. */
function toolsFor(parts: readonly Part[]): readonly Tool[] {
  const natives = parts.map((part) => NATIVE[part]);
  const missing = natives.flatMap(({ recipes }) => recipes).filter(({ name }) => !isInstalled(cacheFolder(), name));
  return [...new Set([...natives.flatMap(({ tools }) => tools), ...missing.flatMap(({ tools }) => tools)])];
}

/** Connect alone is of no use: asking for it asks for its broker. */
function withNeeds(parts: readonly Part[]): readonly Part[] {
  const all = new Set(parts.flatMap((part) => [...NATIVE[part].needs, part]));
  return PARTS.filter((part) => all.has(part));
}

function inOrderOfNeed(parts: readonly Part[]): readonly Part[] {
  return [...parts].sort((a, b) => NATIVE[a].needs.length - NATIVE[b].needs.length);
}
