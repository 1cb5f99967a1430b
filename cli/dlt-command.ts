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
    .addCommand(dltPurgeCommand())
    .addHelpText(
      'after',
      `
Examples:
  millrace dlt stats
  millrace dlt list --group processor.scan --newer-than 12h
  millrace dlt show events.scan.requested.processor.scan.dlt/2/17
  millrace dlt replay --group processor.scan --code DECISION_FAILED
  millrace dlt purge --fingerprint 4be1f0a3c9d2`,
    );
}
