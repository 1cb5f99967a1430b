import { Command } from 'commander';
import type { RepairReport } from '../connectors/outbox/repair/repair-report.ts';
import { agrees, counted } from '../core/counted.ts';
import type { ClassifiedError } from '../core/errors.ts';
import { pipelineIn } from '../pipeline.ts';
import { repairCaptures } from '../runtime/capture-repair.ts';
import { createLogger } from '../runtime/telemetry/log.ts';
import { dataFolderOption, settingsIn } from './common-options.ts';
import { UsageError } from './exit.ts';
import { interrupts } from './interrupts.ts';
import { EXIT_GAP, EXIT_NEEDS_PERSON, requireDomain } from './slot-status-command.ts';

interface Options {
  readonly domain?: string;
  readonly dryRun?: true;
  readonly apply?: true;
  readonly confirmRestore?: true;
  readonly json?: true;
  readonly dataFolder: string;
}

export function slotRepairCommand(): Command {
  return new Command('repair')
    .description('close the gap of a capture: a new slot where one is needed, and what the topics lack from the outbox')
    .option('--domain <domain>', 'only this one')
    .option('--dry-run', 'show what was found and what is missing; change nothing')
    .option('--apply', 'do it')
    .option('--confirm-restore', 'the database was restored or moved on purpose: go on with it as it is')
    .option('--json', 'print one JSON object')
    .addOption(dataFolderOption())
    .addHelpText(
      'after',
      `
A relay that stands in the gap goes on by itself when the repair is done; it need not be stopped. A repair may be interrupted
(Ctrl-C) and run again at any time: what was published already is found in the topics. Two of one domain do not run at once.
Rows are published under their own ids, in the order of their streams; readers see duplicates at most. A domain that Debezium
captures is left alone, and said to be.

Exit codes: 0 nothing to repair, or repaired; 1 failed; 2 wrong usage or configuration; 3 a gap was found (--dry-run);
4 a person has to confirm the database (--confirm-restore); 130 interrupted.

Examples:
  millrace slot repair --dry-run
  millrace slot repair --domain scan --apply
  millrace slot repair --domain scan --apply --confirm-restore --json`,
    )
    .action(async (options: Options) => run(options));
}

async function run(options: Options): Promise<void> {
  if ((options.dryRun === true) === (options.apply === true)) throw new UsageError('say either --dry-run or --apply');
  const config = settingsIn(options.dataFolder, { connectorPasswords: false });
  const pipeline = pipelineIn(config.timeZone);
  requireDomain(pipeline, options.domain);
  const logger = createLogger({ service: 'millrace-slot', environment: config.environment, level: 'error', format: config.log.format });
  const interrupted = interrupts({ leaves: 'the gap stands as before; run the repair again' });
  const reports: RepairReport[] = [];
  const errors: { domain: string; error: ClassifiedError }[] = [];
  const leftAlone: { domain: string; capture: 'debezium'; remedy: string }[] = [];
  const quiet = options.json === true;
  await repairCaptures(pipeline, config, logger, {
    domain: options.domain,
    apply: options.apply === true,
    confirmed: options.confirmRestore === true,
    signal: interrupted.signal,
    progress: (domain, step) => {
      if (!quiet) console.error(`${domain}: ${step}`);
    },
    onReport: (report) => {
      reports.push(report);
      if (!quiet) print(report);
    },
    onLeftAlone: (domain, remedy) => {
      leftAlone.push({ domain, capture: 'debezium', remedy });
      if (!quiet) console.log(`${domain}: left alone, Debezium captures it: ${remedy}`);
    },
    onError: (domain, error) => {
      errors.push({ domain, error });
      if (!quiet) console.error(`${domain}: ${error.code}: ${error.message}\n  ${error.remedy}`);
    },
  });
  if (quiet) {
    const failed = errors.map(({ domain, error }) => ({ domain, code: error.code, message: error.message, remedy: error.remedy }));
    console.log(JSON.stringify({ domains: reports, leftAlone, failed }));
  }
  process.exitCode = exitCodeOf(reports, errors);
}

function exitCodeOf(reports: readonly RepairReport[], errors: readonly { readonly error: ClassifiedError }[]): number {
  if (errors.some(({ error }) => error.code !== 'REPAIR_NEEDS_CONFIRMATION')) return 1;
  if (errors.length > 0 || reports.some(({ needsConfirmation, applied }) => needsConfirmation && !applied)) return EXIT_NEEDS_PERSON;
  return reports.some(({ findings, applied }) => findings.length > 0 && !applied) ? EXIT_GAP : 0;
}

function print(report: RepairReport): void {
  const { domain, findings, missing, phantoms, applied } = report;
  if (findings.length === 0) {
    console.log(`${domain}: nothing to repair`);
    return;
  }
  console.log(`${domain}:`);
  for (const { code, message } of findings) console.log(`  ${code}: ${message}`);
  const will = applied ? ['made', 'published'] : ['would make', 'would publish'];
  console.log(`  ${report.newSlot ? `${will[0]} the slot ${report.slot} anew` : `the slot ${report.slot} stays`}`);
  printLosses(report);
  for (const { topic, rows } of missing) console.log(`  ${will[1]} ${counted(rows, 'row')} that ${topic} lacks`);
  if (missing.length === 0) console.log('  no row is missing from the topics');
  if ((report.deadLettered ?? 0) > 0) console.log(`  ${report.deadLettered} of them can never be published, and are dead letters`);
  console.log(
    `  compared ${counted(report.checkedRows, 'row')}; ${report.beyondRetentionRows} more ${agrees(report.beyondRetentionRows, 'is', 'are')} older than their topics keep records`,
  );
  console.log(
    report.oldestRow === undefined
      ? '  the outbox is empty: what it held before cannot be compared'
      : `  the outbox begins at ${report.oldestRow}: what was dropped before cannot be compared`,
  );
  for (const { topic, rows, examples } of phantoms) {
    console.log(`  ${topic} holds ${counted(rows, 'event')} that the database does not have, such as ${examples.slice(0, 3).join(', ')}`);
  }
  if (report.needsConfirmation && !applied) console.log('  needs --confirm-restore: only a person knows whether this database is the one');
}

/** What no repair can bring back, because the outbox does not hold it. */
function printLosses({ unseenLog, lettersLost, findings }: RepairReport): void {
  if (unseenLog !== undefined) {
    const { from = 'its beginning', to = 'the new slot' } = unseenLog;
    console.log(`  no slot brings the log from ${from} to ${to}: its rows are in the outbox, what it held without a table is lost`);
  }
  if (findings.some(({ topic }) => topic !== undefined)) console.log('  events without a table that such a topic held are lost with it');
  if (lettersLost) console.log('  the dead letters are gone; those of rows that the outbox holds are written again');
}
