import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identify, isRunning, type ProcessIdentity } from './process-identity.ts';
import { StackError } from './stack-error.ts';

const RETRY_MS = 100;

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when somebody else holds the lock. */
  readonly onWait?: (holderPid: number) => void;
  /** How long to wait for another holder, in milliseconds. */
  readonly timeoutMs?: number;
}

/** Runs `work` while no other process on this machine does so under the same lock file. A holder that died does not block. */
export async function withLock<T>(file: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  await acquire(file, options);
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function acquire(file: string, options: LockOptions): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const mine = `${file}.${randomUUID()}`;
  const identity = identify(process.pid);
  if (identity === undefined) throw new Error('this process cannot see itself');
  // A link is made whole or not at all, so nobody ever reads half a lock.
  await writeFile(mine, JSON.stringify(identity));
  try {
    const deadline = Date.now() + (options.timeoutMs ?? 900_000);
    for (let waited = false; !(await take(mine, file)); waited = true) {
      const holder = await holderOf(file);
      if (holder !== undefined && !isRunning(holder.identity)) {
        await removeStale(mine, file, holder.text);
        continue;
      }
      if (!waited && holder !== undefined) options.onWait?.(holder.identity.pid);
      if (Date.now() > deadline) {
        throw new StackError(`Another process holds ${file}`, `Wait for process ${holder?.identity.pid ?? '?'} or stop it.`);
      }
      await sleep(RETRY_MS, undefined, { signal: options.signal });
    }
  } finally {
    await rm(mine, { force: true });
  }
}

async function take(mine: string, file: string): Promise<boolean> {
  try {
    await link(mine, file);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

async function holderOf(file: string): Promise<{ identity: ProcessIdentity; text: string } | undefined> {
  try {
    const text = await readFile(file, 'utf8');
    return { identity: JSON.parse(text) as ProcessIdentity, text };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/**
 * One at a time removes a dead holder's lock, and looks once more before: a new holder may have come since. Whoever dies in the
 * middle leaves a guard of a dead process, which the next one removes.
 */
async function removeStale(mine: string, file: string, staleText: string): Promise<void> {
  const guard = `${file}.guard`;
  if (!(await take(mine, guard))) {
    const other = await holderOf(guard);
    if (other !== undefined && !isRunning(other.identity)) await rm(guard, { force: true });
    return;
  }
  try {
    if ((await holderOf(file))?.text === staleText) await rm(file, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
