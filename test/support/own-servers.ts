import { execFileSync } from 'node:child_process';
import type { Part, StackEndpoints } from '../../stack/stack.ts';
import { stackDown, stackStatus, stackUp } from '../../stack/stack.ts';
import { removeTestStack, testDataFolder } from '../../stack/test-stack.ts';
import { eventually } from './eventually.ts';

/** Servers that a test may kill: its own, few, and gone without a trace after `remove`. */
export class OwnServers {
  readonly endpoints: StackEndpoints;
  readonly dataFolder: string;

  private constructor(dataFolder: string, endpoints: StackEndpoints) {
    this.dataFolder = dataFolder;
    this.endpoints = endpoints;
  }

  static async start(parts: readonly Part[]): Promise<OwnServers> {
    const dataFolder = await testDataFolder();
    try {
      return new OwnServers(dataFolder, await stackUp({ dataFolder, parts, flavour: 'native', given: {} }));
    } catch (thrown) {
      await removeTestStack(dataFolder);
      throw thrown;
    }
  }

  /** As a shutdown of the machine does it. */
  async stop(part: Part): Promise<void> {
    await stackDown({ dataFolder: this.dataFolder, parts: [part] });
  }

  /** Without a farewell. PostgreSQL: its postmaster; its children end when they notice. */
  async kill(part: Part): Promise<void> {
    process.kill(await this.pid(part), 'SIGKILL');
  }

  /** With all its children, as a machine that hangs: connections stay open and carry nothing. To be thawed before it is stopped. */
  async freeze(part: Part): Promise<void> {
    signalFamily(await this.pid(part), 'SIGSTOP');
  }

  /** What it was asked meanwhile is done now, whether or not anybody waits for it. */
  async thaw(part: Part): Promise<void> {
    signalFamily(await this.pid(part), 'SIGCONT');
  }

  /** At the same address, with the same data. A server whose predecessor is not quite gone yet is started again. */
  async up(part: Part): Promise<void> {
    await eventually(() => stackUp({ dataFolder: this.dataFolder, parts: [part], flavour: 'native', given: {} }).then(() => true), {
      timeoutMs: 90_000,
      everyMs: 200,
    });
  }

  async isRunning(part: Part): Promise<boolean> {
    const status = await stackStatus({ dataFolder: this.dataFolder });
    return status?.parts.find((each) => each.part === part)?.pid !== undefined;
  }

  async remove(): Promise<void> {
    await removeTestStack(this.dataFolder);
  }

  private async pid(part: Part): Promise<number> {
    const status = await stackStatus({ dataFolder: this.dataFolder });
    const pid = status?.parts.find((each) => each.part === part)?.pid;
    if (pid === undefined) throw new Error(`${part} does not run`);
    return pid;
  }
}

/** The parent first when it is to stop: it makes no children then that nobody knows of. */
function signalFamily(parent: number, signal: 'SIGSTOP' | 'SIGCONT'): void {
  process.kill(parent, signal);
  const processes = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  for (const line of processes) {
    const [pid = 0, ppid] = line.trim().split(/\s+/).map(Number);
    if (ppid !== parent) continue;
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended since.
    }
  }
}
