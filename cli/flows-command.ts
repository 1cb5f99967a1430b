import { Command } from 'commander';
import type { FlowRow } from '../runtime/postgres/flow-table.ts';
import { listFlows } from '../runtime/postgres/flow-table.ts';
import { UsageError } from './exit.ts';
import { oneLine } from './one-line.ts';
import { sagaText } from './trace-text.ts';
import { withConnections } from './with-connections.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 10_000;

interface FlowsOptions {
  readonly overdue?: true;
  readonly saga?: string;
  readonly limit?: string;
  readonly json?: true;
  readonly dataFolder: string;
}

export function flowsCommand(): Command {
  return new Command('flows')
    .description('list the flows of the sagas, as the sweep last saw them')
    .option('--overdue', 'only those that have not ended within their deadline, the oldest first, with who waits')
    .option('--saga <name>', 'of one saga only')
    .option('--limit <count>', `how many at most; ${LIMIT_DEFAULT} when left out`)
    .option('--json', 'print one JSON object per line')
    .option('--data-folder <folder>', 'the folder of `millrace start`', '.millrace')
    .addHelpText(
      'after',
      `
The role \`flows\` looks at them once a minute; \`millrace trace <flow id>\` looks now. Exit code 1 with --overdue when there are any.

Examples:
  millrace flows
  millrace flows --overdue
  millrace flows --saga scan-to-reward --limit 1000 --json`,
    )
    .action(async (options: FlowsOptions) => {
      const limit = limitOf(options.limit);
      const rows = await withConnections('flows', options.dataFolder, (connections) =>
        listFlows(connections.platform(), { saga: options.saga, status: options.overdue === true ? 'overdue' : undefined, limit }),
      );
      console.log(options.json === true ? rows.map((row) => JSON.stringify(row)).join('\n') : flowsText(rows, options.overdue === true));
      if (options.overdue === true && rows.length > 0) process.exitCode = 1;
    });
}

/** For people: a line per flow, and one per step that it waits for. */
export function flowsText(rows: readonly FlowRow[], overdueOnly: boolean): string {
  if (rows.length === 0) return overdueOnly ? 'no flow is overdue' : 'no flow was seen yet';
  return rows.flatMap((row) => [`${row.began_at}  flow ${oneLine(row.flow_id)}  ${sagaText(row)}`, ...waitingLines(row)]).join('\n');
}

function waitingLines({ status, waits_for }: FlowRow): string[] {
  if (status !== 'overdue') return [];
  if (waits_for.length === 0) return ['    every step that is known was made, and none of its ends came'];
  return waits_for.map(({ group, event_type, detail }) => oneLine(`    ${group} waits for ${event_type}: ${detail}`));
}

/** @throws UsageError */
function limitOf(text: string | undefined): number {
  if (text === undefined) return LIMIT_DEFAULT;
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= LIMIT_MAX) return count;
  throw new UsageError(`--limit must be a whole number from 1 to ${LIMIT_MAX}`);
}
