import { Command } from 'commander';
import { dltListCommand } from './dlt-list-command.ts';
import { dltPurgeCommand } from './dlt-purge-command.ts';
import { dltReplayCommand } from './dlt-replay-command.ts';
import { dltShowCommand } from './dlt-show-command.ts';
import { dltStatsCommand } from './dlt-stats-command.ts';

/** `millrace dlt …` */
export function dltCommand(): Command {
  return new Command('dlt')
    .description('dead letters: what groups could not handle and captures could not publish')
    .addCommand(dltListCommand())
    .addCommand(dltShowCommand())
    .addCommand(dltStatsCommand())
    .addCommand(dltReplayCommand())
    .addCommand(dltPurgeCommand());
}
