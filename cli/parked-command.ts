import { Command } from 'commander';
import { findParked } from '../runtime/parked-operations.ts';
import { parkedDiscardCommand, parkedRetryCommand } from './parked-change-command.ts';
import type { FilterOptions } from './parked-options.ts';
import { meaningOf, withFilters, withParked } from './parked-options.ts';
import { parkedJson, parkedText } from './parked-text.ts';

export function parkedCommand(): Command {
  return new Command('parked')
    .description('records that wait for a retry, in the order of their keys')
    .addCommand(parkedListCommand())
    .addCommand(parkedRetryCommand())
    .addCommand(parkedDiscardCommand())
    .addHelpText(
      'after',
      `
Examples:
  millrace parked list --blocked
  millrace parked retry --group processor.scan --key 5f0c
  millrace parked discard --trace 0af7651916cd43dd8448eb211c80319c`,
    );
}

function parkedListCommand(): Command {
  return withFilters(new Command('list').description('show what waits, and why'))
    .addHelpText(
      'after',
      `
Shows keys and errors, never payloads. A record "behind another one" has not been tried: an earlier one of its key waits.

Examples:
  millrace parked list
  millrace parked list --group processor.scan --blocked
  millrace parked list --code CALL_FAILED --older-than 1h --json`,
    )
    .action(async (options: FilterOptions) => {
      const { filter: said, limit } = meaningOf(options);
      await withParked(options, said, async ({ pipeline, connections, filter }) => {
        const found = await findParked(pipeline, connections, filter, { limit });
        console.log(options.json === true ? JSON.stringify(parkedJson(found)) : parkedText(found));
        return found.failed;
      });
    });
}
