import { join } from 'node:path';
import { Command, Option } from 'commander';
import { UsageError } from '../cli/exit.ts';
import { cloneFolder } from '../stack/data-folder.ts';
import { progressOn } from '../stack/progress.ts';
import { CAPTURE_LAYOUT, SIDES, type Side } from './capture/figures.ts';
import { FULL_PLAN, QUICK_PLAN } from './capture/plan.ts';
import { MEASUREMENTS, runCaptureBench, type CaptureBenchOutcome, type Measurement } from './capture/run-capture.ts';
import { interruption, positiveInteger, someOf, teller } from './command-options.ts';
import { report } from './report.ts';
import { writeResults } from './write-results.ts';

interface Options {
  readonly quick?: true;
  readonly json?: true;
  readonly runs?: number;
  readonly side?: Side;
  readonly only?: readonly Measurement[];
  readonly profile?: true;
  readonly write?: true;
}

/** `bench capture`: the relay beside Debezium on Kafka Connect. Results go to standard output, everything else to standard error. */
export function captureCommand(): Command {
  return new Command('capture')
    .description('the relay beside Debezium on Kafka Connect: throughput, latency, CPU, memory, start')
    .option('--quick', 'little data and one run: shows that it works, and the order of magnitude')
    .option('--json', 'print one JSON object: name, machine, runs, figures, ratios')
    .option('--runs <n>', `how often everything is measured (default: ${FULL_PLAN.runs}, quick: ${QUICK_PLAN.runs})`, positiveInteger)
    .addOption(new Option('--side <side>', 'measure one side only').choices(SIDES))
    .option('--only <names>', `measure only some of ${MEASUREMENTS.join(',')}`, someOf(MEASUREMENTS))
    .option('--profile', "show where the relay's CPU time goes, by a run beside the timed ones")
    .option('--write', 'put the results of a whole run, profiles included, into docs/benchmarks.md')
    .addHelpText(
      'after',
      `
The servers run from a data folder of their own under .millrace, which is removed at the end, also after Ctrl-C.

Examples:
  npm run bench -- capture --quick
  npm run -s bench -- capture --json > result.json
  npm run bench -- capture --only one-row --side millrace --profile`,
    )
    .action(run);
}

async function run(options: Options): Promise<void> {
  const partial = options.quick ?? options.side ?? options.only;
  if (options.write && partial !== undefined) throw new UsageError('--write is for whole runs: without --quick, --side and --only');
  const { result, hotspots, failures } = await measured(options);
  const text = report(result, CAPTURE_LAYOUT, { hotspots, failures });
  console.log(options.json ? JSON.stringify(result) : text);
  if (failures.length > 0) {
    console.error(`Not measured:\n${failures.join('\n')}`);
    process.exitCode = 1;
  }
  if (options.write) {
    const command = `npm run bench -- capture --write${options.runs === undefined ? '' : ` --runs ${options.runs}`}`;
    await writeResults(join(cloneFolder(), 'docs', 'benchmarks.md'), 'capture', `\`${command}\`\n\n${text}`);
  }
}

async function measured(options: Options): Promise<CaptureBenchOutcome> {
  const plan = options.quick ? QUICK_PLAN : FULL_PLAN;
  return runCaptureBench({
    plan: { ...plan, runs: options.runs ?? plan.runs },
    quick: options.quick === true,
    sides: options.side === undefined ? SIDES : [options.side],
    only: options.only ?? MEASUREMENTS,
    profile: options.profile === true || options.write === true,
    signal: interruption(),
    progress: progressOn(process.stderr),
    say: teller(),
  });
}
