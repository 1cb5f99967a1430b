import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning, parseIdentity, WRITE_IDENTITY, type ProcessIdentity } from '../process-identity.ts';
import type { Owner } from '../run-tool.ts';

const LOG_LIMIT_BYTES = 8 * 1024 * 1024;
const POLL_MS = 50;

export interface DaemonFiles {
  readonly log: string;
  readonly identity: string;
}

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly owner?: Owner | undefined;
}

/** A signal, and how long the process may take to end after it, in milliseconds. */
export type StopStep = readonly [signal: NodeJS.Signals, waitMs: number];

/** Starts a server that outlives this process; its output goes to the log, which is put aside when it has grown large. */
export async function launch(launch: Launch, files: DaemonFiles): Promise<ProcessIdentity> {
  await putAside(files.log);
  const log = await open(files.log, 'a');
  const identity = await open(files.identity, 'w');
  try {
    const child = spawn('/bin/sh', ['-c', `${WRITE_IDENTITY} && exec 3>&- && exec "$@"`, 'sh', launch.command, ...launch.args], {
      cwd: launch.cwd,
      env: { ...inherited(), ...launch.env },
      ...launch.owner,
      detached: true,
      stdio: ['ignore', log.fd, log.fd, identity.fd],
    });
    await once(child, 'spawn');
    child.unref();
    return await identityIn(files, child.pid ?? 0);
  } finally {
    await log.close();
    await identity.close();
  }
}

/** The server that a process file names, if it still runs. */
export async function runningIn(files: DaemonFiles): Promise<ProcessIdentity | undefined> {
  const identity = await writtenIn(files.identity);
  return identity !== undefined && isRunning(identity) ? identity : undefined;
}

/** Ends the server, step by step harder, and resolves when it is gone. A process file without its process is removed. */
export async function stop(files: DaemonFiles, steps: readonly StopStep[]): Promise<void> {
  const identity = await runningIn(files);
  if (identity !== undefined) await end(identity, steps);
  await rm(files.identity, { force: true });
}

async function end(identity: ProcessIdentity, steps: readonly StopStep[]): Promise<void> {
  for (const [signal, waitMs] of steps) {
    kill(identity, signal);
    for (const deadline = Date.now() + waitMs; isRunning(identity) && Date.now() < deadline;) await sleep(POLL_MS);
    if (!isRunning(identity)) return;
  }
  throw new Error(`process ${identity.pid} does not end`);
}

function kill(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  try {
    if (isRunning(identity)) process.kill(identity.pid, signal);
  } catch (error) {
    // It ended between the look and the signal.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Servers read their settings from the environment too, so they get only what a process needs to run. */
function inherited(): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'JAVA_HOME'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}

/** The shell writes its identity as its first act; a fraction of a second is enough, also on a busy machine a few. */
async function identityIn(files: DaemonFiles, pid: number): Promise<ProcessIdentity> {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    const identity = await writtenIn(files.identity);
    if (identity?.pid === pid) return identity;
    await sleep(5);
  }
  throw new Error(`process ${pid} did not come up; see ${files.log}`);
}

async function writtenIn(file: string): Promise<ProcessIdentity | undefined> {
  try {
    return parseIdentity(await readFile(file, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function putAside(log: string): Promise<void> {
  const size = await stat(log).then(
    (found) => found.size,
    () => 0,
  );
  if (size > LOG_LIMIT_BYTES) await rename(log, `${log}.1`);
}
