import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A process that cannot be mistaken for a later one with the same number: `birth` differs between the two. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly birth: string;
}

/** The running process of that number; undefined when there is none, or only its unreaped remains. */
export function identify(pid: number): ProcessIdentity | undefined {
  const birth = process.platform === 'linux' ? birthOnLinux(pid) : birthByPs(pid);
  return birth === undefined ? undefined : { pid, birth };
}

export function isRunning(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.birth === identity.birth;
}

/**
 * A shell command by which a process writes its own identity to file descriptor 3 before it becomes the server: so there
 * is no moment in which a server runs and nobody has written down which one it is.
 */
export const WRITE_IDENTITY =
  process.platform === 'linux'
    ? '{ echo $$; cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo boot; cat /proc/$$/stat; echo end; } >&3'
    : '{ echo $$; LC_ALL=C ps -o lstart= -p $$; echo end; } >&3';

/** Reads what WRITE_IDENTITY wrote; undefined when it is incomplete. */
export function parseIdentity(text: string): ProcessIdentity | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  const end = lines.indexOf('end');
  const [first = '', ...rest] = lines.slice(0, Math.max(end, 0));
  const pid = Number(first);
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
  const [boot = '', stat] = rest;
  const birth = stat === undefined ? boot : `${boot}/${startTime(stat) ?? ''}`;
  return birth === '' ? undefined : { pid, birth };
}

function birthOnLinux(pid: number): string | undefined {
  const started = startTime(contentOf(`/proc/${pid}/stat`) ?? '');
  return started === undefined ? undefined : `${bootOnLinux()}/${started}`;
}

/** Start times count from the boot, so the boot is part of the identity; some sandboxes do not tell it. */
function bootOnLinux(): string {
  return contentOf('/proc/sys/kernel/random/boot_id')?.trim() ?? 'boot';
}

function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Field 22 of /proc/<pid>/stat, in clock ticks since the boot; the command in field 2 may hold blanks and brackets. */
function startTime(stat: string): string | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  return state === 'Z' || state === 'X' ? undefined : fields[19];
}

function birthByPs(pid: number): string | undefined {
  try {
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return started === '' ? undefined : started;
  } catch (error) {
    // ps says "no such process" by its exit code.
    if (error instanceof Error && 'status' in error && error.status === 1) return undefined;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH');
}
