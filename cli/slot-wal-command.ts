import { Command } from 'commander';
import { classified } from '../core/errors.ts';
import { pipelineIn } from '../pipeline.ts';
import type { SlotWalReport } from '../runtime/slot-wal.ts';
import { readSlotWal } from '../runtime/slot-wal.ts';
import { dataFolderOption, settingsIn } from './common-options.ts';
import { requireDomain } from './slot-status-command.ts';

/** `millrace slot wal` */
export function slotWalCommand(): Command {
  return new Command('wal')
    .description('how much of the write-ahead log the slots hold back, how near the limit that is, and who keeps it')
    .option('--domain <domain>', 'one domain; without it, every captured one')
    .option('--json', 'print one JSON object')
    .addOption(dataFolderOption())
    .addHelpText(
      'after',
      `
Stages: ok, warn, critical, lost. The exit code is 1 when a slot is critical or lost, or could not be looked at. Changes nothing.

Examples:
  millrace slot wal
  millrace slot wal --domain image --json`,
    )
    .action(async (options: { domain?: string; json?: true; dataFolder: string }) => {
      const config = settingsIn(options.dataFolder, { connectorPasswords: false });
      const pipeline = pipelineIn(config.timeZone);
      requireDomain(pipeline, options.domain);
      const domains = pipeline.domains.filter(({ captured }) => captured).map(({ name }) => name);
      const reports: SlotWalReport[] = [];
      const failed: { domain: string; code: string; message: string; remedy: string }[] = [];
      for (const domain of options.domain === undefined ? domains : [options.domain]) {
        try {
          reports.push(await readSlotWal(pipeline, config, domain));
        } catch (thrown) {
          const { code, message, remedy } = classified(thrown, 'UNCLASSIFIED', 'the slot could not be looked at');
          failed.push({ domain, code, message, remedy });
        }
      }
      if (options.json === true) console.log(JSON.stringify({ slots: reports, failed }, null, 2));
      else if (reports.length > 0) console.log(reports.map(shown).join('\n\n'));
      if (options.json !== true)
        for (const { domain, code, message, remedy } of failed) console.error(`${domain}: ${code}: ${message}\n  ${remedy}`);
      if (failed.length > 0 || reports.some(({ stage }) => stage === 'critical' || stage === 'lost')) process.exitCode = 1;
    });
}

function shown(report: SlotWalReport): string {
  const { slot, domain, slotName, stage, usedPercent, budgetBytes, limitedByServer } = report;
  const limit = limitedByServer ? "the server's max_slot_wal_keep_size" : 'WAL_BUDGET_BYTES; the server has no limit';
  const lines = [
    `${domain.padEnd(13)} ${stage}`,
    line(
      'slot',
      slot === undefined ? `${slotName}: not there` : `${slotName}: ${slot.active ? 'read' : 'not read by anybody'}, ${slot.walStatus}`,
    ),
    line(
      'held back',
      `${bytes(slot?.retainedBytes)} of ${bytes(budgetBytes)}${usedPercent === undefined ? '' : ` (${usedPercent} %)`}; ${limit}`,
    ),
    line('unconfirmed', bytes(slot?.confirmedLagBytes)),
    ...(slot?.safeBytes === undefined ? [] : [line('still safe', bytes(slot.safeBytes))]),
    ...report.reasons.map((reason) => line('because', reason)),
    ...(report.heldBy === undefined ? [] : [line('kept by', report.heldBy)]),
    ...report.pins.map((pin) =>
      line(
        'open',
        `${pin.kind} ${pin.pid ?? pin.gid ?? ''} of ${pin.user} in ${pin.database}, ${pin.ageSeconds} s${pin.state === undefined ? '' : `, ${pin.state}`}`,
      ),
    ),
    ...(report.seesTransactions ? [] : [line('open', "other roles' transactions are hidden; GRANT pg_read_all_stats shows them")]),
    ...report.unknownSlots.map((other) =>
      line(
        'unknown slot',
        `${other.name} (${other.kind}${other.database === undefined ? '' : `, ${other.database}`}), ${bytes(other.retainedBytes)} held back`,
      ),
    ),
    ...(report.replicationRoles.length === 0 ? [] : [line('log readers', report.replicationRoles.join(', '))]),
  ];
  return lines.join('\n');
}

function line(what: string, text: string): string {
  return `  ${what.padEnd(13)} ${text}`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

function bytes(count: number | undefined): string {
  if (count === undefined) return 'unknown';
  let [value, unit] = [count, 0];
  for (; Math.abs(value) >= 1024 && unit < UNITS.length - 1; unit += 1) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
