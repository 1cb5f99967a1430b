import { join } from 'node:path';
import { Command } from 'commander';
import { UsageError } from '../cli/exit.ts';
import { cloneFolder } from '../stack/data-folder.ts';
import { progressOn } from '../stack/progress.ts';
import { AUTH_CHECK_LAYOUT } from './auth-check/figures.ts';
import { FULL_PLAN, QUICK_PLAN, runAuthCheckBench } from './auth-check/run-auth-check.ts';
import { interruption, positiveInteger, teller } from './command-options.ts';
import { report } from './report.ts';
import { writeResults } from './write-results.ts';

interface Options {
  readonly quick?: true;
  readonly json?: true;
  readonly runs?: number;
  readonly profile?: true;
  readonly write?: true;
}

/** `bench auth-check`: what a gateway waits for a check of a token. Results go to standard output, everything else to standard error. */
export function authCheckCommand(): Command {
  return new Command('auth-check')
    .description('POST /auth/check as a gateway asks it, at fixed rates: latency, by the API itself, CPU')
    .option('--quick', 'one short run: shows that it works, and the order of magnitude')
    .option('--json', 'print one JSON object: name, machine, runs, figures, ratios')
    .option('--runs <n>', `how often everything is measured (default: ${FULL_PLAN.runs}, quick: ${QUICK_PLAN.runs})`, positiveInteger)
    .option('--profile', "show where the API's CPU time goes, by a run beside the timed ones")
    .option('--write', 'put the results of a whole run into docs/benchmarks.md')
    .addHelpText(
      'after',
      `
The servers run from a data folder of their own under .millrace, which is removed at the end, also after Ctrl-C.

Examples:
  npm run bench -- auth-check --quick
  npm run -s bench -- auth-check --json > result.json`,
    )
    .action(run);
}

async function run(options: Options): Promise<void> {
  if (options.write && options.quick) throw new UsageError('--write is for whole runs: without --quick');
  const plan = options.quick ? QUICK_PLAN : FULL_PLAN;
  const { result, hotspots, failures } = await runAuthCheckBench({
    plan: { ...plan, runs: options.runs ?? plan.runs },
    quick: options.quick === true,
    sides: ['millrace'],
    only: ['500', '1000'],
    profile: options.profile === true,
    signal: interruption(),
    progress: progressOn(process.stderr),
    say: teller(),
  });
  const text = report(result, AUTH_CHECK_LAYOUT, { hotspots, failures });
  console.log(options.json ? JSON.stringify(result) : text);
  if (failures.length > 0) process.exitCode = 1;
  if (!options.write) return;
  const given = [...(options.profile ? ['--profile'] : []), ...(options.runs === undefined ? [] : ['--runs', options.runs])];
  const command = ['npm run bench -- auth-check --write', ...given].join(' ');
  await writeResults(join(cloneFolder(), 'docs', 'benchmarks.md'), 'auth-check', `\`${command}\`\n\n${text}`);
}
