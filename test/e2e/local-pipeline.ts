import type { ChildProcess } from 'node:child_process';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { RunningRoles } from '../../cli/local-folder.ts';
import { readJson } from '../../cli/local-folder.ts';
import { eventually } from '../support/eventually.ts';

const CLONE = join(import.meta.dirname, '..', '..');
const START_TIMEOUT_MS = 240_000;
const STOP_TIMEOUT_MS = 120_000;

/** The product as a user runs it: `millrace start` on a folder of its own, with its own servers. */
export class LocalPipeline {
  readonly folder: string;
  private child: ChildProcess | undefined;
  private output = '';

  constructor(folder: string) {
    this.folder = folder;
  }

  async start(): Promise<string> {
    this.output = '';
    const child = spawn(process.execPath, ['--import', 'tsx', 'cli/main.ts', 'start', '--data-folder', this.folder], {
      cwd: CLONE,
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    await eventually(
      () => {
        if (child.exitCode !== null) throw new Error(`start ended with ${child.exitCode}:\n${this.output}`);
        if (!this.output.includes('Ctrl-C stops everything')) throw new Error(`not started yet:\n${this.output}`);
      },
      { timeoutMs: START_TIMEOUT_MS },
    );
    return this.output;
  }

  /** As Ctrl-C does it. Resolves with everything that was printed. */
  async interrupt(): Promise<string> {
    const child = this.child;
    if (child === undefined || child.exitCode !== null) return this.output;
    const hard = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    const exited = once(child, 'exit');
    child.kill('SIGINT');
    await exited;
    clearTimeout(hard);
    return this.output;
  }

  exitCode(): number | null {
    return this.child?.exitCode ?? null;
  }

  roles(): RunningRoles {
    const running = readJson<RunningRoles>(join(this.folder, 'roles.json'));
    if (running === undefined) throw new Error('nothing runs');
    return running;
  }

  pidOf(role: string): number {
    const found = this.roles().roles.find((candidate) => candidate.role === role);
    if (found === undefined) throw new Error(`no role ${role}`);
    return found.pid;
  }

  logOf(role: string): string {
    return readFileSync(join(this.folder, 'logs', `${role}.log`), 'utf8');
  }

  logs(): readonly string[] {
    return readdirSync(join(this.folder, 'logs'));
  }

  /** Runs another verb on the same folder and resolves with what it printed; a failing one rejects with it. */
  async millrace(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', 'cli/main.ts', ...args], {
      cwd: CLONE,
      env: environment(),
      maxBuffer: 16 * 1_048_576,
      timeout: 480_000,
    });
    return stdout;
  }

  async token(user: string): Promise<string> {
    return (await this.millrace('token', '--user', user, '--data-folder', this.folder)).trim();
  }

  async stack(verb: 'up' | 'down', parts: string): Promise<void> {
    await this.millrace('stack', verb, '--parts', parts, '--data-folder', join(this.folder, 'stack'));
  }

  /** Stops whatever is left and deletes everything. */
  async remove(): Promise<void> {
    await this.interrupt();
    await this.millrace('stack', 'reset', '--data-folder', join(this.folder, 'stack'));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Without the servers of the test run: this pipeline brings its own. */
function environment(): NodeJS.ProcessEnv {
  const ours = /^(POSTGRES_URL|KAFKA_|SCHEMA_REGISTRY_|REDIS_URL|ELASTICSEARCH_|MILLRACE_(?!CACHE))/;
  return Object.fromEntries(Object.entries({ ...process.env, HTTP_PORT: '0' }).filter(([name]) => !ours.test(name)));
}
