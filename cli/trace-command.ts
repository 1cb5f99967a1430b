import { Command } from 'commander';
import { flowSources } from '../runtime/compose-flows.ts';
import { deadLettersOf } from '../runtime/dead-letters/open-dead-letters.ts';
import { traceFlows } from '../runtime/flows/trace-flows.ts';
import { dataFolderOption } from './common-options.ts';
import { isEmpty, traceJson, traceText } from './trace-text.ts';
import { withConnections } from './with-connections.ts';

const FLOWS_MAX = 20;

interface TraceOptions {
  readonly kafka?: true;
  readonly payloads?: true;
  readonly json?: true;
  readonly dataFolder: string;
}

export function traceCommand(): Command {
  return new Command('trace')
    .description('show the timeline of a flow: its events, who has reacted to them and when, and who is still waited for')
    .argument('<id>', 'of a trace, a flow, an event or an aggregate')
    .option('--kafka', 'also the position of each event in its topic, and which read models have gone past it')
    .option('--payloads', 'also payloads and results: what users wrote')
    .option('--json', 'print one JSON object')
    .addOption(dataFolderOption())
    .addHelpText(
      'after',
      `
Reads event stores, inboxes, parked records, dead letters and topics, and changes nothing. A step that has not come is looked for: it
may be ahead of its group, parked, dead-lettered, or not published yet. Parked records and dead letters of read models are shown, too.
The trace id of a request is in its answer; an aggregate's id leads to its newest ${FLOWS_MAX} flows. Times are since the flow began.
Each event names its aggregate as \`millrace aggregate show <type> <id>\` takes it, and each dead letter its place, for \`millrace dlt show\`.

Exit codes: 0 all of it was read; 1 nothing is known of the id, or something could not be looked at, which is said at the end.

Examples:
  millrace trace 0af7651916cd43dd8448eb211c80319c
  millrace trace 9478829b-522a-57ee-8c1d-ba450180fcbd --kafka
  millrace trace somebody --json --payloads`,
    )
    .action(async (id: string, options: TraceOptions) => {
      await withConnections('trace', options.dataFolder, async (connections, pipeline) => {
        const { queues, states } = deadLettersOf(pipeline, connections);
        const sources = {
          ...flowSources(pipeline, connections),
          platform: connections.platform(),
          deadLetters: { queues, states },
          flowsMax: FLOWS_MAX,
        };
        const trace = await traceFlows(sources, id, { topics: options.kafka === true });
        const { names } = connections.config;
        const shown = { payloads: options.payloads === true, groupOf: (domain: string) => names.processorGroup(domain) };
        if (trace.gaps.length > 0 || isEmpty(trace)) process.exitCode = 1;
        if (options.json === true) console.log(traceJson(trace, shown));
        else if (!isEmpty(trace)) console.log(traceText(trace, shown));
        else console.error(`${nothingFound(trace.gaps.length === 0)}\n${traceText(trace, shown)}`.trimEnd());
      });
    });
}

function nothingFound(isWhole: boolean): string {
  return isWhole
    ? 'no event store, parked record or dead letter knows this id'
    : 'nothing was found by this id, and not everything could be looked at:';
}
