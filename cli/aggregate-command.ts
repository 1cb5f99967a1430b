import { Command } from 'commander';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { AggregateDefinition } from '../core/define.ts';
import type { Connections } from '../runtime/connections.ts';
import { viewAggregate } from '../runtime/postgres/view-aggregate.ts';
import type { ShownAggregate } from './aggregate-text.ts';
import { aggregateJson, aggregateText } from './aggregate-text.ts';
import { dataFolderOption } from './common-options.ts';
import { UsageError } from './exit.ts';
import { withConnections } from './with-connections.ts';

const LAST_DEFAULT = 100;
const LAST_MAX = 10_000;
/** A time without an offset would be somebody's guess. */
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)$/;

interface ShowOptions {
  readonly at?: string;
  readonly history?: true;
  readonly last?: string;
  readonly json?: true;
  readonly dataFolder: string;
}

export function aggregateCommand(): Command {
  return new Command('aggregate')
    .description('look into the event store')
    .addCommand(showCommand())
    .addHelpText('after', '\nExample:\n  millrace aggregate show user_characters somebody --history');
}

function showCommand(): Command {
  return new Command('show')
    .description('show what an aggregate is, or was at a time, and the events that made it so')
    .argument('<type>', 'the type of the aggregate, or a domain that has one only; a wrong one lists what there is')
    .argument('<id>', 'its id: of an image, a scan or a conversation its own, else the user')
    .option('--at <time>', 'as it was then: ISO 8601 with offset, such as 2026-03-01T09:00:00Z')
    .option('--history', `list its events, the last ${LAST_DEFAULT} of them`)
    .option('--last <count>', 'how many of its events to list')
    .option('--json', 'print one JSON object')
    .addOption(dataFolderOption())
    .addHelpText(
      'after',
      `
Reads the event store of the domain and changes nothing. Shows states and payloads: for operators. \`millrace trace\` takes the id, and the
events and traces of the history.

Examples:
  millrace aggregate show user_characters somebody
  millrace aggregate show scan 9478829b-522a-57ee-8c1d-ba450180fcbd --history
  millrace aggregate show profile somebody --at 2026-03-01T09:00:00+09:00
  millrace aggregate show conversation 7c0a6a6e-5a57-4a9a-8f39-1b2ad3c3b001 --last 1000 --json`,
    )
    .action(async (type: string, id: string, options: ShowOptions) => {
      const at = momentOf(options.at);
      const events = eventsOf(options);
      const shown = await withConnections('aggregate', options.dataFolder, (connections, pipeline) =>
        show(connections, pipeline, type, id, { at, events }),
      );
      console.log(options.json === true ? aggregateJson(shown, events > 0) : aggregateText(shown));
    });
}

/** @throws UsageError for a type that no domain has; Error when there is no such aggregate. */
async function show(
  connections: Connections,
  pipeline: PipelineDefinition,
  type: string,
  id: string,
  options: { readonly at: string | undefined; readonly events: number },
): Promise<ShownAggregate> {
  const { domain, aggregate } = aggregateOf(pipeline, type);
  const view = await viewAggregate(connections.database(domain), domain, aggregate, id, options);
  if (view.version === 0n) {
    const then = options.at === undefined ? '' : ` at ${options.at}`;
    throw new Error(
      `no ${aggregate.type} has this id${then}\n\`millrace trace <id>\` finds what an id belongs to, and how its aggregate is called`,
    );
  }
  return { ...view, domain, type: aggregate.type, id, at: options.at };
}

/** @throws UsageError listing the types that there are. */
export function aggregateOf(
  pipeline: PipelineDefinition,
  type: string,
): { readonly domain: string; readonly aggregate: AggregateDefinition<unknown> } {
  const all = pipeline.domains
    .filter(({ captured }) => captured)
    .flatMap(({ name, aggregates }) => aggregates.map((aggregate) => ({ domain: name, aggregate })));
  const found = all.find(({ aggregate }) => aggregate.type === type);
  if (found !== undefined) return found;
  // Lists of flows and topics name domains: where one has a single type there is nothing to ask back.
  const [only, ...others] = all.filter(({ domain }) => domain === type);
  if (only !== undefined && others.length === 0) return only;
  throw new UsageError(
    `no such type of aggregate\nTypes, and their domains: ${all.map(({ aggregate, domain }) => `${aggregate.type} (${domain})`).join(', ')}`,
  );
}

/** @throws UsageError */
export function momentOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (MOMENT.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new UsageError('--at must be a time with its offset, such as 2026-03-01T09:00:00Z or 2026-03-01T18:00:00+09:00');
}

/** How many events are listed. @throws UsageError */
export function eventsOf({ history, last }: Pick<ShowOptions, 'history' | 'last'>): number {
  if (last === undefined) return history === true ? LAST_DEFAULT : 0;
  const count = Number(last);
  if (/^\d+$/.test(last) && count >= 1 && count <= LAST_MAX) return count;
  throw new UsageError(`--last must be a whole number from 1 to ${LAST_MAX}`);
}
