import { setTimeout as sleep } from 'node:timers/promises';
import { readFile } from 'node:fs/promises';
import { answers } from '../health.ts';
import { isRunning, type ProcessIdentity } from '../process-identity.ts';
import type { Step } from '../progress.ts';
import { StackError } from '../stack-error.ts';
import { installed } from './cache.ts';
import { launch, runningIn, stop, type DaemonFiles } from './daemon.ts';
import { Maven } from './maven.ts';
import type { NativePart, PartContext } from './native-part.ts';

const READY_WITHIN_MS = 180_000;
const POLL_MS = 100;

export interface PartStartOptions {
  readonly native: NativePart;
  readonly files: DaemonFiles;
  readonly cache: string;
  readonly context: Omit<PartContext, 'homes'>;
  /** Starts that must be through before this server is launched; installing does not wait for them. */
  readonly needs: readonly PartStart[];
  readonly report: (step: Step, detail?: string) => void;
}

/** One part on its way up: running already, or installed, launched, awaited and settled. */
export class PartStart {
  readonly #options: PartStartOptions;
  readonly #done: Promise<void>;
  #finish: (result: Promise<void>) => void = () => undefined;
  #launched = false;

  constructor(options: PartStartOptions) {
    this.#options = options;
    this.#done = new Promise((resolve) => (this.#finish = resolve));
    // Whoever waits for this part sees its failure; without anybody it must not count as unhandled.
    this.#done.catch(() => undefined);
  }

  /** Resolves when the part answers. Throws when it cannot be brought up, or when the start was aborted. */
  async run(): Promise<void> {
    const result = this.#bringUp();
    this.#finish(result);
    try {
      await result;
    } catch (error) {
      if (!this.#signal.aborted) this.#options.report('failed', error instanceof StackError ? error.problem : String(error));
      throw error;
    }
  }

  /** Stops the server if this start has launched it. */
  async undo(): Promise<void> {
    if (!this.#launched) return;
    this.#options.report('stopping');
    await stop(this.#options.files, this.#options.native.stopSteps);
    this.#options.report('stopped');
  }

  async #bringUp(): Promise<void> {
    const running = await runningIn(this.#options.files);
    // One that was killed a moment ago may still be there; it is started anew when it is gone.
    if (running !== undefined && (await this.#becomesReady(running))) {
      this.#options.report('running already');
      return;
    }
    const homes = await this.#install();
    await Promise.all(this.#options.needs.map(async (need) => need.#done));
    this.#options.report('starting');
    const order = await this.#options.native.prepare({ ...this.#options.context, homes });
    this.#signal.throwIfAborted();
    this.#launched = true;
    if (!(await this.#becomesReady(await launch(order, this.#options.files)))) {
      const { native, files } = this.#options;
      throw new StackError(`${native.part} ended while starting${await lastLines(files.log)}`, `Look at ${files.log}.`);
    }
    await this.#options.native.settle?.(this.#address, this.#signal);
    this.#options.report('ready');
  }

  async #install(): Promise<readonly string[]> {
    const { native, cache, report } = this.#options;
    const maven = new Maven(cache, this.#signal);
    const homes: string[] = [];
    for (const recipe of native.recipes) {
      const home = await installed(cache, {
        name: recipe.name,
        fill: async (folder) => {
          report('installing', `${recipe.name} (downloaded once, then kept in the cache)`);
          await recipe.fill(folder, { maven, signal: this.#signal });
        },
        signal: this.#signal,
        onWait: (pid) => report('waiting', `process ${pid} installs it`),
      });
      homes.push(home);
    }
    return homes;
  }

  /** False when the process ends instead. */
  async #becomesReady(identity: ProcessIdentity): Promise<boolean> {
    const { native, files } = this.#options;
    for (const deadline = Date.now() + READY_WITHIN_MS; !(await answers(native.part, this.#address));) {
      if (!isRunning(identity)) return false;
      if (Date.now() > deadline) {
        throw new StackError(`${native.part} does not answer at its port after ${READY_WITHIN_MS / 1_000} s`, `Look at ${files.log}.`);
      }
      await sleep(POLL_MS, undefined, { signal: this.#signal });
    }
    return true;
  }

  get #address(): string {
    return this.#options.context.addresses[this.#options.native.part];
  }

  get #signal(): AbortSignal {
    return this.#options.context.signal;
  }
}

async function lastLines(log: string): Promise<string> {
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n').slice(-5);
  return lines.join('').trim() === '' ? '' : `:\n  ${lines.join('\n  ')}\n`;
}
