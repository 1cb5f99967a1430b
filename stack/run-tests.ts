import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { cloneFolder } from './data-folder.ts';
import { progressOn } from './progress.ts';
import { StackError } from './stack-error.ts';
import { countTests, RESULT_FILE_VARIABLE, type TestCounts } from './test-counts.ts';
import { removeOrphans, startTestStack, testEnvironment, type TestStack } from './test-stack.ts';

/** Tiers in the order of their price; those below need no servers. */
const TIERS = ['unit', 'property', 'conformance', 'int', 'fault', 'e2e'];
const WITHOUT_SERVERS: ReadonlySet<string> = new Set(['unit', 'property']);
const STOP_WITHIN_MS = 20_000;

/** `[--long] [tier ...] [file filter ...]`; `--long` lets the sweeps run their full length. */
interface Order {
  readonly tiers: readonly string[];
  readonly filters: readonly string[];
  readonly long: boolean;
}

const clone = cloneFolder();
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort(signal));
await main(orderFrom(process.argv.slice(2)));

/** Starts the servers, runs the tests, stops and deletes the servers whatever happened, and says how many passed. */
async function main(order: Order): Promise<void> {
  const resultFile = join(clone, '.millrace', `test-result-${process.pid}.json`);
  let stack: TestStack | undefined;
  let exitCode = 1;
  try {
    if (order.tiers.some((tier) => !WITHOUT_SERVERS.has(tier))) stack = await startServers();
    exitCode = await runVitest(order, resultFile, stack);
  } catch (error) {
    if (!interrupted.signal.aborted) explain(error);
  }
  const cleaned = await clean(stack);
  const counts = await countsOf(resultFile, exitCode);
  process.exitCode = exitCodeOf(counts, exitCode, cleaned);
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
}

function orderFrom(args: readonly string[]): Order {
  const words = args.filter((word) => word !== '--long' && word !== '--');
  const tiers = words.filter((word) => TIERS.includes(word));
  return { tiers: tiers.length > 0 ? tiers : TIERS, filters: words.filter((word) => !tiers.includes(word)), long: args.includes('--long') };
}

async function startServers(): Promise<TestStack> {
  const progress = progressOn(process.stdout);
  try {
    return await startTestStack(interrupted.signal, progress.report);
  } finally {
    progress.close();
  }
}

async function runVitest(order: Order, resultFile: string, stack: TestStack | undefined): Promise<number> {
  interrupted.signal.throwIfAborted();
  await mkdir(join(clone, '.millrace'), { recursive: true });
  const projects = order.tiers.flatMap((tier) => ['--project', tier]);
  const reporters = ['--reporter=default', '--reporter=./stack/test-result-reporter.ts'];
  const vitest = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...projects, ...reporters, ...order.filters], {
    cwd: clone,
    stdio: 'inherit',
    // A group of its own: a signal reaches it once, and nothing that it started outlives it.
    detached: true,
    env: {
      ...process.env,
      ...(stack === undefined ? {} : testEnvironment(stack.endpoints)),
      [RESULT_FILE_VARIABLE]: resultFile,
      ...(order.long ? { MILLRACE_TEST_LONG: '1' } : {}),
    },
  });
  const forward = () => void endSoftly(vitest);
  interrupted.signal.addEventListener('abort', forward, { once: true });
  try {
    const [code, signal] = (await once(vitest, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } finally {
    interrupted.signal.removeEventListener('abort', forward);
    killGroup(vitest);
  }
}

/** Vitest ends its run on SIGINT; one that hangs is killed. */
async function endSoftly(vitest: ChildProcess): Promise<void> {
  vitest.kill('SIGINT');
  const killer = setTimeout(() => killGroup(vitest), STOP_WITHIN_MS);
  await once(vitest, 'exit');
  clearTimeout(killer);
}

/** Workers that hang, and whatever tests have started and not stopped. */
function killGroup(leader: ChildProcess): void {
  try {
    if (leader.pid !== undefined) process.kill(-leader.pid, 'SIGKILL');
  } catch (error) {
    // The usual case: nobody of the group is left.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

async function clean(stack: TestStack | undefined): Promise<boolean> {
  try {
    await stack?.stop();
    // Stacks that tests have started themselves, when they were killed before they could stop them.
    await removeOrphans();
    return true;
  } catch (error) {
    explain(error);
    return false;
  }
}

/** A run without a result, or one that failed beside its tests, has failed once. */
async function countsOf(resultFile: string, exitCode: number): Promise<TestCounts> {
  if (!existsSync(resultFile)) return { passed: 0, failed: 1 };
  const counts = countTests(JSON.parse(await readFile(resultFile, 'utf8')));
  await rm(resultFile);
  const nothing = counts.passed + counts.failed === 0;
  return nothing || (exitCode !== 0 && counts.failed === 0) ? { ...counts, failed: 1 } : counts;
}

function exitCodeOf(counts: TestCounts, exitCode: number, cleaned: boolean): number {
  if (interrupted.signal.aborted) return 128 + constants.signals[interrupted.signal.reason as NodeJS.Signals];
  if (exitCode !== 0) return exitCode;
  return counts.failed > 0 || !cleaned ? 1 : 0;
}

function explain(error: unknown): void {
  console.error(error instanceof StackError ? error.message : error);
}
