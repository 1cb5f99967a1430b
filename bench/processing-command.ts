import { join } from 'node:path';
import { Command } from 'commander';
import { UsageError } from '../cli/exit.ts';
import { cloneFolder } from '../stack/data-folder.ts';
import { progressOn } from '../stack/progress.ts';
import { interruption, positiveInteger, someOf, teller } from './command-options.ts';
import { PROCESSING_LAYOUT, VARIANTS, type Variant } from './processing/figures.ts';
import { FULL_PLAN, QUICK_PLAN } from './processing/plan.ts';
import { MEASUREMENTS, runProcessingBench, type Measurement, type ProcessingBenchOutcome } from './processing/run-processing.ts';
import { report } from './report.ts';
import { writeResults } from './write-results.ts';

interface Options {
  readonly quick?: true;
  readonly json?: true;
  readonly runs?: number;
  readonly side?: readonly Variant[];
  readonly only?: readonly Measurement[];
  readonly profile?: true;
  readonly write?: true;
}

/** `bench processing`: the consume loop and the saga step beside their peers. Results go to standard output, everything else to standard error. */
export function processingCommand(): Command {
  return new Command('processing')
    .description('the consume loop beside kafkajs and Parallel Consumer, the saga step beside pgbench; latency, idling, memory')
    .option('--quick', 'little data and one run: shows that it works, and the order of magnitude')
    .option('--json', 'print one JSON object: name, machine, runs, figures, ratios')
    .option('--runs <n>', `how often everything is measured (default: ${FULL_PLAN.runs}, quick: ${QUICK_PLAN.runs})`, positiveInteger)
    .option('--side <names>', `measure only some of ${VARIANTS.join(',')}`, someOf(VARIANTS))
    .option('--only <names>', `measure only some of ${MEASUREMENTS.join(',')}`, someOf(MEASUREMENTS))
    .option('--profile', "show where the group's CPU time goes, by runs beside the timed ones")
    .option('--write', 'put the results of a whole run, profiles included, into docs/benchmarks.md')
    .addHelpText(
      'after',
      `
The servers run from a data folder of their own under .millrace, which is removed at the end, also after Ctrl-C.

Examples:
  npm run bench -- processing --quick
  npm run -s bench -- processing --json > result.json
  npm run bench -- processing --only handler --side millrace,lanes --profile`,
    )
    .action(run);
}

async function run(options: Options): Promise<void> {
  const partial = options.quick ?? options.side ?? options.only;
  if (options.write && partial !== undefined) throw new UsageError('--write is for whole runs: without --quick, --side and --only');
  const { result, hotspots, failures } = await measured(options);
  const text = report(result, PROCESSING_LAYOUT, { hotspots, failures });
  console.log(options.json ? JSON.stringify(result) : text);
  if (failures.length > 0) {
    console.error(`Not measured:\n${failures.join('\n')}`);
    process.exitCode = 1;
  }
  if (options.write) {
    const command = `npm run bench -- processing --write${options.runs === undefined ? '' : ` --runs ${options.runs}`}`;
    await writeResults(join(cloneFolder(), 'docs', 'benchmarks.md'), 'processing', `\`${command}\`\n\n${text}`);
  }
}

async function measured(options: Options): Promise<ProcessingBenchOutcome> {
  const plan = options.quick ? QUICK_PLAN : FULL_PLAN;
  return runProcessingBench({
    plan: { ...plan, runs: options.runs ?? plan.runs },
    quick: options.quick === true,
    sides: options.side ?? VARIANTS,
    only: options.only ?? MEASUREMENTS,
    profile: options.profile === true || options.write === true,
    signal: interruption(),
    progress: progressOn(process.stderr),
    say: teller(),
  });
}
