import { createServer } from 'node:net';
import { join } from 'node:path';
import { BUSY_NODE_OPTIONS } from '../runtime/node-options.ts';
import { cloneFolder } from '../stack/data-folder.ts';
import type { LocalFolder, RunningRoles } from './local-folder.ts';
import { isProcessAlive, readJson, writeJson } from './local-folder.ts';
import { Supervisor } from './supervisor.ts';

/** The roles of a local run, a process each, in the order of starting: what writes for others starts last. */
const ROLES = ['projector', 'processor', 'relay', 'api'] as const;
type LocalRole = (typeof ROLES)[number];
/** What else runs in a role's process. */
const BESIDE: Partial<Record<LocalRole, readonly string[]>> = { processor: ['flows'] };

const NODE_OPTIONS: Partial<Record<LocalRole, readonly string[]>> = {
  projector: BUSY_NODE_OPTIONS,
  processor: BUSY_NODE_OPTIONS,
};

export interface LocalRolesOptions {
  readonly folder: LocalFolder;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly apiPort: number;
  readonly onChange: (role: string, event: string) => void;
}

/** The processes of `millrace start`: supervised, written down in roles.json, stopped upstream first. */
export class LocalRoles {
  private readonly options: LocalRolesOptions;
  private readonly supervisor: Supervisor;
  private readonly ports = new Map<LocalRole, number>();

  constructor(options: LocalRolesOptions) {
    this.options = options;
    // The new process of a role that died has the same address and another pid.
    this.supervisor = new Supervisor(options.onChange, () => this.writeDown());
  }

  async start(): Promise<RunningRoles> {
    for (const role of ROLES) this.ports.set(role, role === 'api' ? this.options.apiPort : await freePort());
    for (const role of ROLES) this.supervisor.start(this.supervised(role));
    return this.writeDown();
  }

  async stop(softMs: number): Promise<void> {
    await this.supervisor.stop([...ROLES].reverse(), softMs);
    writeJson(this.options.folder.rolesFile, { supervisorPid: 0, apiUrl: '', roles: [] } satisfies RunningRoles);
  }

  private supervised(role: LocalRole): Parameters<Supervisor['start']>[0] {
    return {
      role,
      command: [
        process.execPath,
        ...(NODE_OPTIONS[role] ?? []),
        join(cloneFolder(), 'bin', 'millrace.mjs'),
        'run',
        '--with-parent',
        role,
        ...(BESIDE[role] ?? []),
      ],
      environment: { ...this.options.environment, [role === 'api' ? 'HTTP_PORT' : 'OPERATIONS_PORT']: String(this.ports.get(role) ?? 0) },
      logFile: this.options.folder.logFile(role),
    };
  }

  private writeDown(): RunningRoles {
    const url = (role: LocalRole): string => `http://127.0.0.1:${this.ports.get(role) ?? 0}`;
    const running = {
      supervisorPid: process.pid,
      apiUrl: url('api'),
      roles: ROLES.map((role) => ({ role, pid: this.supervisor.pid(role) ?? 0, operationsUrl: url(role) })),
    };
    writeJson(this.options.folder.rolesFile, running);
    return running;
  }
}

/** What a live `millrace start` on this folder runs, or undefined when none is there. */
export function runningRoles(folder: LocalFolder): RunningRoles | undefined {
  const running = readJson<RunningRoles>(folder.rolesFile);
  return running !== undefined && running.supervisorPid > 0 && isProcessAlive(running.supervisorPid) ? running : undefined;
}

/**
 * Resolves when every role says that it is ready.
 * @throws Error naming the roles that are not, with what they say of themselves.
 */
export async function untilReady(running: RunningRoles, folder: LocalFolder, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let waiting = running.roles.map(({ role, operationsUrl }) => ({ role, operationsUrl, says: 'no answer' }));
  for (;;) {
    signal.throwIfAborted();
    const answers = await Promise.all(waiting.map(async (role) => ({ ...role, ...(await readiness(role.operationsUrl)) })));
    waiting = answers.filter((answer) => !answer.ready);
    if (waiting.length === 0) return;
    if (performance.now() > deadline) {
      const lines = waiting.map(({ role, says }) => `  ${role}: ${says} (log: ${folder.logFile(role)})`);
      throw new Error(`not ready after ${Math.round(timeoutMs / 1_000)} s:\n${lines.join('\n')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function readiness(operationsUrl: string): Promise<{ ready: boolean; says: string }> {
  try {
    const response = await fetch(`${operationsUrl}/health/ready`, { signal: AbortSignal.timeout(2_000) });
    return { ready: response.ok, says: response.ok ? 'ready' : (await response.text()).slice(0, 400) };
  } catch (error) {
    return { ready: false, says: error instanceof Error && error.name === 'TimeoutError' ? 'no answer in time' : 'no answer' };
  }
}

/** The wanted port when nobody has it, else one that the system chooses. */
export async function freePort(wanted = 0): Promise<number> {
  const bind = (port: number): Promise<number> =>
    new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        const address = server.address();
        server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port));
      });
    });
  if (wanted === 0) return bind(0);
  return bind(wanted).catch(() => bind(0));
}
