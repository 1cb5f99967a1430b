import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { StackError } from './stack-error.ts';

export interface ToolRun {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly owner?: Owner | undefined;
  readonly signal: AbortSignal;
  /** What the tool is for, as the start of the error's sentence. */
  readonly purpose: string;
  readonly remedy: string;
}

/** The account that a server runs under when it must not run as root. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const KEPT_OUTPUT = 16_384;

/** Runs a tool to its end and resolves with what it printed; an abort stops it together with its own children. */
export async function runTool(run: ToolRun): Promise<string> {
  run.signal.throwIfAborted();
  const child = spawn(run.command, run.args, {
    cwd: run.cwd,
    env: run.env,
    ...run.owner,
    // A group of its own: it can be stopped as a whole, and Ctrl-C reaches it in our order only.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => (output = (output + text).slice(-KEPT_OUTPUT)));
  }
  const stop = () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
  };
  run.signal.addEventListener('abort', stop, { once: true });
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    run.signal.throwIfAborted();
    if (code !== 0) throw new StackError(`${run.purpose} failed: ${lastWords(output)}`, run.remedy);
    return output;
  } catch (error) {
    if (error instanceof StackError || run.signal.aborted) throw error;
    throw new StackError(`${run.purpose} failed: ${run.command} does not run`, run.remedy, { cause: error });
  } finally {
    run.signal.removeEventListener('abort', stop);
  }
}

/** The lines that say what went wrong: those marked as errors, else the last ones. */
function lastWords(output: string): string {
  const lines = output.split('\n').map((line) => line.trim());
  const spoken = lines.filter((line) => line !== '');
  const errors = spoken.filter((line) => /error/i.test(line));
  return (errors.length > 0 ? errors.slice(0, 2) : spoken.slice(-3)).join(' ').slice(0, 600);
}
