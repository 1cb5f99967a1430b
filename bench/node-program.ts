import { spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cloneFolder } from '../stack/data-folder.ts';
import { runTool } from '../stack/run-tool.ts';

const KILL_AFTER_MS = 15_000;

/** A process of the benchmark's own, which stops by itself when its channel to the benchmark ends. */
export interface RunningProgram {
  readonly pid: number;
  /** Rejects when it has ended by itself: a measurement that waits for it must not wait for ever. */
  assertRunning(): Promise<void>;
  /** What it reports next; its messages come in order, and none is lost. Rejects when it ends instead. */
  next(): Promise<unknown>;
  tell(message: unknown): void;
  stop(): Promise<void>;
}

/** As `compilePrograms`, for one. */
export async function compileProgram(entry: string, folder: string, signal: AbortSignal): Promise<string> {
  return (await compilePrograms({ entry }, folder, signal)).entry;
}

/**
 * Compiles programs of the benchmark and all that they import to JavaScript, as a deployment runs it, and returns their files.
 * @param entries files from the clone's root.
 * @param folder inside the clone: the compiled programs look for their libraries there.
 */
export async function compilePrograms<P extends object>(
  entries: P & Record<keyof P, string>,
  folder: string,
  signal: AbortSignal,
): Promise<P> {
  await mkdir(folder, { recursive: true });
  const clone = cloneFolder();
  const project = join(folder, 'tsconfig.json');
  const files = Object.values<string>(entries);
  const compilerOptions = { noEmit: false, noCheck: true, rootDir: clone, outDir: folder };
  const settings = { extends: join(clone, 'tsconfig.json'), compilerOptions, include: [], files: files.map((entry) => join(clone, entry)) };
  await writeFile(project, JSON.stringify(settings));
  await runTool({
    command: process.execPath,
    args: [join(clone, 'node_modules/typescript/bin/tsc'), '-p', project],
    cwd: clone,
    signal,
    purpose: `Compiling ${files.join(', ')}`,
    remedy: 'Run `npm run check:types` to see what is wrong with the sources.',
  });
  const compiled = Object.entries<string>(entries).map(([name, entry]) => [name, join(folder, entry.replace(/\.ts$/, '.js'))]);
  return Object.fromEntries(compiled) as P;
}

export interface ProgramStart {
  /** The compiled program. */
  readonly program: string;
  /** What it is told on its command line, as JSON. */
  readonly order: unknown;
  readonly nodeOptions?: readonly string[];
  /** Where it leaves a CPU profile at its end. */
  readonly profileFolder?: string | undefined;
}

export async function startProgram({ program, order, nodeOptions = [], profileFolder }: ProgramStart): Promise<RunningProgram> {
  const profiling = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];
  const child = spawn(process.execPath, [...nodeOptions, ...profiling, program, JSON.stringify(order)], {
    // The channel tells the program when the benchmark is gone; its log would mix with the progress, so only its last words are kept.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let words = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(-4_000)));
  }
  const over = new AbortController();
  const messages = on(child, 'message', { signal: over.signal });
  await once(child, 'spawn');
  const ended = once(child, 'exit');
  // All that it has said is read by then.
  child.once('close', () => over.abort());
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  const hasEnded = (): Error => new Error(`the program has ended: ${words}`);
  return {
    pid: child.pid ?? 0,
    async assertRunning() {
      if (!isRunning()) throw hasEnded();
    },
    async next() {
      try {
        const { value } = (await messages.next()) as { readonly value: readonly [unknown] };
        return value[0];
      } catch (error) {
        throw over.signal.aborted ? hasEnded() : error;
      }
    },
    tell(message) {
      child.send(message as object);
    },
    async stop() {
      if (!isRunning()) return;
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
      await ended;
      clearTimeout(killer);
    },
  };
}
