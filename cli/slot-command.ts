import { Command } from 'commander';
import { handoverCommand } from './handover-command.ts';
import { slotRepairCommand } from './slot-repair-command.ts';
import { slotStatusCommand } from './slot-status-command.ts';
import { slotWalCommand } from './slot-wal-command.ts';

/** `millrace slot …` */
export function slotCommand(): Command {
  return new Command('slot')
    .description("the slots by which PostgreSQL's log is read")
    .addCommand(slotStatusCommand())
    .addCommand(slotRepairCommand())
    .addCommand(slotWalCommand())
    .addCommand(handoverCommand())
    .addHelpText(
      'after',
      `
Examples:
  millrace slot status
  millrace slot wal
  millrace slot repair --dry-run
  millrace slot handover --domain scan --to debezium --dry-run`,
    );
}
