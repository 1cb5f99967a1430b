import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { reconnectDelayMs } from '../core/retry-policy.ts';

export interface SupervisedRole {
  readonly role: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly logFile: string;
}

/**
 * Runs each role as a process of its own and starts one again when it dies, with growing pauses. Exit code 2 means a wrong
 * configuration: that role stays down, for another try would say the same.
 */
export class Supervisor {
  private readonly children = new Map<string, { process: ChildProcess; failures: number; startedAtMs: number }>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly onChange: (role: string, event: string) => void;
  private readonly onStart: () => void;
  private stopping = false;

  /** `onChange` tells what a person should see; `onStart` that a role has another process. */
  constructor(onChange: (role: string, event: string) => void, onStart: () => void) {
    this.onChange = onChange;
    this.onStart = onStart;
  }

  start(role: SupervisedRole, failures = 0): void {
    if (this.stopping) return;
    mkdirSync(dirname(role.logFile), { recursive: true });
    const log = openSync(role.logFile, 'a');
    const [program, ...args] = role.command;
    // A process group of its own: Ctrl-C in the terminal reaches the supervisor alone, which then stops them in order.
    const child = spawn(program ?? process.execPath, args, { env: role.environment, stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.children.set(role.role, { process: child, failures, startedAtMs: Date.now() });
    child.once('error', () => this.onChange(role.role, 'could not be started'));
    child.once('exit', (code, signal) => this.exited(role, code, signal));
    this.onStart();
  }

  pid(role: string): number | undefined {
    return this.children.get(role)?.process.pid;
  }

  /** Stops the roles in the given order, each softly and after `softMs` hard. */
  async stop(order: readonly string[], softMs: number): Promise<void> {
    this.stopping = true;
    for (const timer of this.timers) clearTimeout(timer);
    for (const role of order) await this.stopRole(role, softMs);
  }

  private async stopRole(role: string, softMs: number): Promise<void> {
    const child = this.children.get(role)?.process;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      const hard = setTimeout(() => child.kill('SIGKILL'), softMs);
      child.once('exit', () => {
        clearTimeout(hard);
        resolve();
      });
      child.kill('SIGTERM');
    });
  }

  private exited(role: SupervisedRole, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.stopping) return;
    if (code === 2) {
      this.onChange(role.role, `stopped: its configuration is wrong, see ${role.logFile}`);
      return;
    }
    const child = this.children.get(role.role);
    const ranLong = child !== undefined && Date.now() - child.startedAtMs > 30_000;
    const failures = ranLong ? 1 : (child?.failures ?? 0) + 1;
    const delayMs = reconnectDelayMs(failures, Math.random(), 200, 10_000);
    this.onChange(role.role, `ended (${signal ?? `exit code ${String(code)}`}), starts again in ${delayMs} ms`);
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      this.start(role, failures);
    }, delayMs);
    this.timers.add(timer);
  }
}
