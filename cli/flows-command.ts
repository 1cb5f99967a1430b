import { Command } from 'commander';
import { counted } from '../core/counted.ts';
import { SWEEP_LIMITS } from '../runtime/flows/flow-sweep.ts';
import type { UnseenFlows } from '../runtime/flows/unseen-flows.ts';
import { unseenFlows } from '../runtime/flows/unseen-flows.ts';
import type { FlowRow, OverdueSummary } from '../runtime/postgres/flow-table.ts';
import { listFlows, summarizeOverdue } from '../runtime/postgres/flow-table.ts';
import { dataFolderOption, limitOf, limitOption } from './common-options.ts';
import { UsageError } from './exit.ts';
import { oneLine } from './one-line.ts';
import { sagaText } from './trace-text.ts';
import { withConnections } from './with-connections.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 10_000;
const SETTLED_MINUTES = SWEEP_LIMITS.settledMs / 60_000;

interface FlowsOptions {
  readonly overdue?: true;
  readonly saga?: string;
  readonly limit: string;
  readonly json?: true;
  readonly dataFolder: string;
}

export function flowsCommand(): Command {
  return new Command('flows')
    .description('list the flows of the sagas: as the sweep last saw them, and what began since')
    .option('--overdue', 'only those that have not ended within their deadline, the oldest first, with who waits')
    .option('--saga <name>', 'of one saga only')
    .addOption(limitOption(LIMIT_DEFAULT))
    .option('--json', 'print one JSON object per line')
    .addOption(dataFolderOption())
    .addHelpText(
      'after',
      `
The role \`flows\` takes a flow in ${SETTLED_MINUTES} minutes after its beginning, and looks at all of them once a minute; \`millrace trace <flow id>\`
looks now. Exit code 1 with --overdue when there are any, and when a database could not be read.

Examples:
  millrace flows
  millrace flows --overdue
  millrace flows --saga scan-to-reward --limit 1000 --json`,
    )
    .action(async (options: FlowsOptions) => {
      const limit = limitOf(options.limit, LIMIT_MAX);
      const { saga } = options;
      const overdueOnly = options.overdue === true;
      const listing = await withConnections('flows', options.dataFolder, async (connections, pipeline): Promise<Listing> => {
        const known = (pipeline.sagas ?? []).map(({ name }) => name);
        if (saga !== undefined && !known.includes(saga)) throw new UsageError(`no such saga\nSagas: ${known.join(', ')}`);
        const platform = connections.platform();
        const rows = await listFlows(platform, { saga, status: overdueOnly ? 'overdue' : undefined, limit });
        if (overdueOnly) return { rows, unseen: NONE_UNSEEN, overdue: [] };
        const sources = { pipeline, platform, database: (domain: string) => connections.database(domain) };
        return { rows, unseen: await unseenFlows(sources, { saga, limit }), overdue: await summarizeOverdue(platform) };
      });
      if (options.json === true) for (const line of flowsJson(listing)) console.log(line);
      else console.log(flowsText(listing, overdueOnly));
      if (listing.rows.length === limit) console.error(`there may be more than ${limit}: --limit shows more, --saga others`);
      if ((overdueOnly && listing.rows.length > 0) || listing.unseen.gaps.length > 0) process.exitCode = 1;
    });
}

export interface Listing {
  readonly rows: readonly FlowRow[];
  readonly unseen: UnseenFlows;
  readonly overdue: readonly OverdueSummary[];
}

export const NONE_UNSEEN: UnseenFlows = { flows: [], isSweepLate: false, gaps: [] };

/** For people: a line per flow, and one per step that it waits for; below them what the sweep has not seen, and what else there is to know. */
export function flowsText({ rows, unseen, overdue }: Listing, overdueOnly: boolean): string {
  const lines = [
    ...unseen.flows.map(
      ({ at, flowId, saga, type }) => `${at}  flow ${oneLine(flowId)}  ${saga}: began with ${type}, not seen by the sweep yet`,
    ),
    ...rows.flatMap((row) => [`${row.began_at}  flow ${oneLine(row.flow_id)}  ${sagaText(row)}`, ...waitingLines(row)]),
  ];
  if (lines.length === 0) lines.push(overdueOnly ? 'no flow is overdue' : 'no flow has begun within a day, and none is remembered');
  if (unseen.isSweepLate)
    lines.push('the sweep is late: does a process run the role `flows`? (`millrace run flows`; its /health says what it meets)');
  else if (unseen.flows.length > 0)
    lines.push(`the sweep takes a flow in ${SETTLED_MINUTES} to ${SETTLED_MINUTES + 1} minutes after its beginning`);
  const late = overdue.reduce((sum, each) => sum + each.overdue, 0);
  if (late > 0) lines.push(`${counted(late, 'flow')} overdue in all: \`millrace flows --overdue\` lists them with who waits`);
  return [...lines, ...unseen.gaps.map((gap) => `not looked at: ${gap}`)].join('\n');
}

/** For programs: one object a line. */
export function flowsJson({ rows, unseen }: Listing): readonly string[] {
  return [
    ...rows.map((row) => JSON.stringify(row)),
    ...unseen.flows.map(({ saga, flowId, traceId, eventId, domain, at }) =>
      JSON.stringify({
        ...{ saga, flow_id: flowId, trace_id: traceId ?? null, began_with: eventId, began_domain: domain, began_at: at, status: 'unseen' },
      }),
    ),
  ];
}

function waitingLines({ status, waits_for }: FlowRow): string[] {
  if (status !== 'overdue') return [];
  if (waits_for.length === 0) return ['    every step that is known was made, and none of its ends came'];
  return waits_for.map(({ group, event_type, detail }) => oneLine(`    ${group} waits for ${event_type}: ${detail}`));
}
