import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StackError } from '../stack-error.ts';
import type { Owner } from '../run-tool.ts';

/** The account PostgreSQL runs under: undefined, that is our own, unless we are root, as which it refuses to run. */
export function postgresOwner(): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = readFileSync('/etc/passwd', 'utf8');
  const owner = accountIn(accounts, 'postgres') ?? accountIn(accounts, 'nobody');
  if (owner !== undefined) return owner;
  throw new StackError(
    'PostgreSQL does not run as root, and there is neither an account `postgres` nor `nobody`',
    'Make one, or start the stack as another user, or give a running server by POSTGRES_URL.',
  );
}

/** The numbers of an account in the text of /etc/passwd. */
export function accountIn(accounts: string, name: string): Owner | undefined {
  const fields = accounts
    .split('\n')
    .map((line) => line.split(':'))
    .find(([account]) => account === name);
  const uid = Number(fields?.[2] ?? NaN);
  const gid = Number(fields?.[3] ?? NaN);
  return Number.isInteger(uid) && Number.isInteger(gid) && uid !== 0 ? { uid: uid >>> 0, gid: gid >>> 0 } : undefined;
}

/** The folder for PostgreSQL's files: `wanted`, or, when its account cannot get there, a fixed one outside of it. */
export function reachableFolder(wanted: string, owner: Owner | undefined): string {
  if (owner === undefined || canReach(dirname(wanted), owner)) return wanted;
  return join('/var/lib/millrace', createHash('sha256').update(wanted).digest('hex').slice(0, 16));
}

/** Whether an account may pass through every folder of the path that exists. */
export function canReach(path: string, owner: Owner): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    if (existsSync(folder) && !mayPass(folder, owner)) return false;
    if (folder === dirname(folder)) return true;
  }
}

function mayPass(folder: string, owner: Owner): boolean {
  const { mode, uid, gid } = statSync(folder);
  if (uid === owner.uid) return (mode & 0o100) !== 0;
  if (gid === owner.gid) return (mode & 0o010) !== 0;
  return (mode & 0o001) !== 0;
}
