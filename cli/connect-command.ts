import { Command } from 'commander';
import type { ConnectRest } from '../connectors/debezium/connect-rest.ts';
import { pipelineIn } from '../pipeline.ts';
import { applyConnectors } from '../runtime/apply-connectors.ts';
import { connectRest } from '../runtime/capture.ts';
import type { Config } from '../runtime/config.ts';
import { Connections } from '../runtime/connections.ts';
import type { DeclaredConnector, ShownConnector } from '../runtime/connectors.ts';
import { declaredConnectors, deleteConnector, planDeletion, showConnectors } from '../runtime/connectors.ts';
import { createLogger } from '../runtime/telemetry/log.ts';
import { dataFolderOption, settingsIn } from './common-options.ts';
import { UsageError } from './exit.ts';

interface Chosen {
  readonly rest: ConnectRest;
  readonly config: Config;
  readonly connectors: readonly DeclaredConnector[];
}

/** `millrace connect status | apply | pause | resume | restart | delete` */
export function connectCommand(): Command {
  return new Command('connect')
    .description('the Debezium connectors of the pipeline on Kafka Connect (KAFKA_CONNECT_URL)')
    .addCommand(statusCommand())
    .addCommand(applyCommand())
    .addCommand(verb('pause', 'stop reading; the slot stays taken, and PostgreSQL keeps its WAL', pause))
    .addCommand(verb('resume', 'go on after pause, or start after a stop', resume))
    .addCommand(restartCommand())
    .addCommand(deleteCommand())
    .addHelpText(
      'after',
      `
Examples:
  millrace connect status
  millrace connect apply
  millrace connect restart image-connector
  millrace connect delete image-connector`,
    );
}

function statusCommand(): Command {
  return new Command('status')
    .description('say what Kafka Connect says of each connector; exit code 1 when one does not work')
    .option('--json', 'print one JSON object')
    .addOption(dataFolderOption())
    .addHelpText('after', '\nExamples:\n  millrace connect status\n  millrace connect status --json')
    .action(async (options: Options) => {
      const { rest, connectors } = settings(options);
      const shown = await showConnectors(rest, connectors);
      if (options.json === true) console.log(JSON.stringify({ connectors: shown }));
      else console.log(shown.length === 0 ? 'no connector is declared' : shown.map(lineOf).join('\n'));
      if (shown.some(({ verdict }) => verdict !== 'ok')) process.exitCode = 1;
    });
}

function lineOf({ name, domain, captures, verdict, detail, status }: ShownConnector): string {
  const tasks = status?.tasks.map(({ id, state }) => `task ${id} ${state}`).join(', ') ?? '';
  const what = captures === 'outbox' ? `outbox of ${domain}` : `tables of ${domain}`;
  const states = status === undefined ? 'absent' : [status.state, tasks].filter((text) => text !== '').join(', ');
  const said = verdict === 'ok' || detail === undefined ? '' : `\n  ${detail.replaceAll('\n', '\n  ')}`;
  return `${name.padEnd(28)} ${what.padEnd(22)} ${states}${said}`;
}

function applyCommand(): Command {
  return new Command('apply')
    .description('register what the pipeline declares, with its topics and publications; changes nothing the second time')
    .option('--json', 'print the changes as one JSON object')
    .addOption(dataFolderOption())
    .addHelpText(
      'after',
      `
The same as the part of \`millrace apply\` that needs Kafka Connect; databases and migrations must be there.

Examples:
  millrace connect apply
  millrace connect apply --json`,
    )
    .action(async (options: Options) => {
      const { config } = settings(options, { connectorPasswords: true });
      const logger = createLogger({
        service: 'millrace-connect',
        environment: config.environment,
        level: 'error',
        format: config.log.format,
      });
      const pipeline = pipelineIn(config.timeZone);
      const admin = new Connections(pipeline, config, logger, 'millrace-connect').broker().admin();
      try {
        const { changes } = await applyConnectors(pipeline, config, admin);
        if (options.json === true) console.log(JSON.stringify({ changes }));
        else console.log(changes.length === 0 ? 'nothing to change' : changes.map((change) => `  ${change}`).join('\n'));
      } finally {
        await admin.stop();
      }
    });
}

function restartCommand(): Command {
  return verb('restart', 'start what has failed again', restartFailed)
    .option('--running', 'restart tasks that run, too')
    .action(async (names: string[], options: Options & { running?: true }) => {
      await act(names, options, options.running === true ? restartAll : restartFailed);
    });
}

function deleteCommand(): Command {
  return verb('delete', 'remove a connector and its offsets, of tables the slot, too; shows first what it would do', remove)
    .option('--apply', 'do it')
    .addHelpText('after', '\nWithout --apply nothing is changed.')
    .action(async (names: string[], options: Options & { apply?: true }) => {
      await act(names, options, options.apply === true ? remove : wouldRemove);
    });
}

type Act = (chosen: Chosen, connector: DeclaredConnector) => Promise<readonly string[]>;

interface Options {
  readonly all?: true;
  readonly json?: true;
  readonly dataFolder: string;
}

function verb(word: string, description: string, work: Act): Command {
  return new Command(word)
    .description(description)
    .argument('[connector...]', 'names, as `millrace connect status` prints them')
    .option('--all', 'every connector that is registered')
    .option('--json', 'print what was done as one JSON object')
    .addOption(dataFolderOption())
    .addHelpText('after', `\nExamples:\n  millrace connect ${word} image-connector\n  millrace connect ${word} --all --json`)
    .action(async (names: string[], options: Options) => {
      await act(names, options, work);
    });
}

async function act(names: readonly string[], options: Options, work: Act): Promise<void> {
  const chosen = settings(options);
  const done: string[] = [];
  for (const connector of await chooseConnectors(names, options, chosen)) done.push(...(await work(chosen, connector)));
  if (options.json === true) console.log(JSON.stringify({ done }));
  else console.log(done.length === 0 ? 'no connector is registered' : done.join('\n'));
}

async function chooseConnectors(
  names: readonly string[],
  options: Options,
  { rest, connectors }: Chosen,
): Promise<readonly DeclaredConnector[]> {
  if (options.all === true) {
    const registered = await rest.connectors();
    return connectors.filter(({ name }) => registered.includes(name));
  }
  const known = connectors.map(({ name }) => name);
  if (names.length === 0) throw new UsageError(`name a connector, or --all\nConnectors: ${known.join(', ')}`);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new UsageError(`no such connector: ${unknown.join(', ')}\nConnectors: ${known.join(', ')}`);
  return connectors.filter(({ name }) => names.includes(name));
}

const pause: Act = async ({ rest }, { name }) => {
  await rest.pause(name);
  return [`connector ${name}: paused`];
};

const resume: Act = async ({ rest }, { name }) => {
  await rest.resume(name);
  return [`connector ${name}: resumed`];
};

const restartFailed: Act = async ({ rest }, { name }) => {
  await rest.restart(name, true);
  return [`connector ${name}: what had failed is started again`];
};

const restartAll: Act = async ({ rest }, { name }) => {
  await rest.restart(name, false);
  return [`connector ${name}: restarted`];
};

const remove: Act = async ({ rest, config }, connector) => deleteConnector(rest, connector, config);

const wouldRemove: Act = async ({ rest, config }, connector) => [
  ...(await planDeletion(rest, connector, config)),
  'nothing was changed; --apply does it',
];

/** Only who registers connectors has to say where Kafka Connect finds passwords. */
function settings({ dataFolder }: Options, needs: { readonly connectorPasswords: boolean } = { connectorPasswords: false }): Chosen {
  const config = settingsIn(dataFolder, needs);
  const rest = connectRest(config);
  if (rest === undefined)
    throw new UsageError('KAFKA_CONNECT_URL is not set: there is no Kafka Connect to ask (`millrace start --debezium` brings one up)');
  return { rest, config, connectors: declaredConnectors(pipelineIn(config.timeZone), config) };
}
