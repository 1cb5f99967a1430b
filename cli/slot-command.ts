import { Command } from 'commander';
import { slotWalCommand } from './slot-wal-command.ts';

/** `millrace slot …` */
export function slotCommand(): Command {
  return new Command('slot').description("the slots by which PostgreSQL's log is read").addCommand(slotWalCommand());
}
