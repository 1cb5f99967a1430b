import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The folder that `millrace start` keeps in a checkout: settings, what runs where, logs. Never shared, never committed. */
export interface LocalFolder {
  readonly path: string;
  readonly configFile: string;
  readonly rolesFile: string;
  readonly stackFolder: string;
  logFile(role: string): string;
}

export function localFolder(path = '.millrace'): LocalFolder {
  const root = resolve(path);
  return {
    path: root,
    configFile: join(root, 'config.json'),
    rolesFile: join(root, 'roles.json'),
    stackFolder: join(root, 'stack'),
    logFile: (role) => join(root, 'logs', `${role}.log`),
  };
}

/** What a running `millrace start` says about its processes, for the demo, for `token` and for people. */
export interface RunningRoles {
  readonly supervisorPid: number;
  readonly apiUrl: string;
  readonly roles: readonly { readonly role: string; readonly pid: number; readonly operationsUrl: string }[];
}

export function readJson<T>(path: string): T | undefined {
  if (!existsSync(path)) return undefined;
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}

/** Written beside and renamed, so that a reader never sees half a file; readable by the owner alone, for it may hold secrets. */
export function writeJson(path: string, value: unknown): void {
  mkdirSync(resolve(path, '..'), { recursive: true });
  const beside = `${path}.${process.pid}.tmp`;
  writeFileSync(beside, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(beside, path);
}

export function newDevelopmentSecret(): string {
  return randomBytes(32).toString('base64url');
}

export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM';
  }
}
