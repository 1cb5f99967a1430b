import { Command } from 'commander';
import { flowSources } from '../runtime/compose-flows.ts';
import { traceFlows } from '../runtime/flows/trace-flows.ts';
import { traceJson, traceText } from './trace-text.ts';
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
    .option('--data-folder <folder>', 'the folder of `millrace start`', '.millrace')
    .addHelpText(
      'after',
      `
Reads event stores, inboxes, parked records and topics, and changes nothing. A step that has not come is looked for: it may be
ahead of its group, parked, dead-lettered, or not published yet. What could not be looked at is said at the end.
The trace id of a request is in its answer; an aggregate's id leads to its newest ${FLOWS_MAX} flows. Times are since the flow began.

Examples:
  millrace trace 0af7651916cd43dd8448eb211c80319c
  millrace trace 9478829b-522a-57ee-8c1d-ba450180fcbd --kafka
  millrace trace somebody --json --payloads`,
    )
    .action(async (id: string, options: TraceOptions) => {
      await withConnections('trace', options.dataFolder, async (connections, pipeline) => {
        const sources = { ...flowSources(pipeline, connections), platform: connections.platform(), flowsMax: FLOWS_MAX };
        const trace = await traceFlows(sources, id, { topics: options.kafka === true });
        if (trace.flows.length === 0) {
          const gaps = trace.gaps.length === 0 ? '' : `\nnot looked at: ${trace.gaps.join('; ')}`;
          throw new Error(`no event store knows this id${gaps}`);
        }
        const { names } = connections.config;
        const shown = { payloads: options.payloads === true, groupOf: (domain: string) => names.processorGroup(domain) };
        console.log(options.json === true ? traceJson(trace, shown) : traceText(trace, shown));
      });
    });
}
