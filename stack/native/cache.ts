import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { withLock } from '../lock.ts';

/** Where downloaded servers are kept, shared by all clones of this user. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const named = environment['MILLRACE_CACHE'];
  if (named !== undefined && named !== '') return resolve(named);
  // PostgreSQL refuses to run as root, and no other account can look into root's home.
  if (process.getuid?.() === 0) return '/var/cache/millrace';
  const shared = environment['XDG_CACHE_HOME'];
  return join(shared !== undefined && shared !== '' ? shared : join(homedir(), '.cache'), 'millrace');
}

export interface Installation {
  /** Names the content: another version or recipe is another name. */
  readonly name: string;
  /** Fills an empty folder. */
  readonly fill: (folder: string) => Promise<void>;
  readonly signal: AbortSignal;
  readonly onWait: (holderPid: number) => void;
}

/**
 * The folder of that name in the cache, filled if it is not there yet. It appears whole or not at all: an interrupted
 * installation leaves nothing but a temporary folder, which the next one removes; two at once do it once.
 */
export async function installed(cache: string, installation: Installation): Promise<string> {
  const { name, signal, onWait } = installation;
  const folder = join(cache, name);
  if (isInstalled(cache, name)) return folder;
  await mkdir(cache, { recursive: true });
  return withLock(join(cache, `.${name}.lock`), { signal, onWait }, async () => {
    if (existsSync(folder)) return folder;
    await removeLeftovers(cache, name);
    const temporary = join(cache, `.${name}.part-${process.pid}`);
    await mkdir(temporary);
    try {
      await installation.fill(temporary);
      await rename(temporary, folder);
      return folder;
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  });
}

export function isInstalled(cache: string, name: string): boolean {
  return existsSync(join(cache, name));
}

async function removeLeftovers(cache: string, name: string): Promise<void> {
  for (const entry of await readdir(cache)) {
    if (entry.startsWith(`.${name}.part-`)) await rm(join(cache, entry), { recursive: true, force: true });
  }
}
