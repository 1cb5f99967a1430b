import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { ADDRESS_VARIABLE, withoutPassword, type StackEndpoints } from '../stack/endpoints.ts';
import { CORE_PARTS, PARTS, parseParts, type Part } from '../stack/parts.ts';
import { progressOn, type Progress } from '../stack/progress.ts';
import { StackError } from '../stack/stack-error.ts';
import { stackDown, stackReset, stackStatus, stackUp, type Flavour, type PartStatus } from '../stack/stack.ts';
import { localFolder } from './local-folder.ts';

interface Options {
  readonly parts?: readonly Part[];
  readonly flavour?: Flavour;
  readonly dataFolder: string;
}

/** `millrace stack up | status | down | reset` */
export function stackCommand(): Command {
  return new Command('stack')
    .description('the servers of a local run: PostgreSQL, Kafka, schema registry, Redis, Elasticsearch, Debezium')
    .addCommand(upCommand())
    .addCommand(statusCommand())
    .addCommand(downCommand())
    .addCommand(resetCommand())
    .addHelpText(
      'after',
      `
Examples:
  millrace stack up
  millrace stack status
  millrace stack down --parts redis
  millrace stack reset`,
    );
}

function upCommand(): Command {
  return withCommonOptions(new Command('up'))
    .description('start what does not run yet and wait until all of it answers')
    .addOption(partsOption('all but debezium'))
    .addOption(new Option('--flavour <flavour>', 'native (processes; needs Java 17 and Maven) or docker').choices(['native', 'docker']))
    .addHelpText(
      'after',
      `
A part that runs elsewhere is used instead of an own one when its address is in the environment:
${Object.values(ADDRESS_VARIABLE).join(', ')}.

Examples:
  millrace stack up
  millrace stack up --parts postgres,kafka
  millrace stack up --parts all --flavour docker
  REDIS_URL=redis://127.0.0.1:6379 millrace stack up`,
    )
    .action(async (options: Options) => {
      const endpoints = await shown(async (progress, signal) =>
        stackUp({ ...options, dataFolder: stackFolder(options), signal, progress: progress.report }),
      );
      const asked = addresses(endpoints).filter(([part]) => (options.parts ?? CORE_PARTS).includes(part));
      console.log(asked.map(([part, address]) => `${part.padEnd(13)} ${withoutPassword(address)}`).join('\n'));
    });
}

function statusCommand(): Command {
  return withCommonOptions(new Command('status'))
    .description('say what runs, where, and in which process')
    .option('--env', 'print the addresses as shell variables instead, passwords included')
    .addHelpText('after', '\nExamples:\n  millrace stack status\n  eval "$(npm run -s millrace -- stack status --env)"')
    .action(async (options: Options & { readonly env?: true }) => {
      const status = await stackStatus({ dataFolder: stackFolder(options) });
      if (status === undefined) throw new StackError('There is no stack here', 'Start one with `millrace stack up`.');
      if (options.env) {
        console.log(
          addresses(status.endpoints)
            .map(([part, address]) => `export ${ADDRESS_VARIABLE[part]}='${address}'`)
            .join('\n'),
        );
        return;
      }
      console.log(status.parts.map(lineOf).join('\n'));
      // 0 only when everything that was started answers, so that scripts can wait for it.
      if (status.parts.some(({ state }) => state === 'not answering')) process.exitCode = 1;
    });
}

function downCommand(): Command {
  return withCommonOptions(new Command('down'))
    .description('stop the servers and keep their data')
    .addOption(partsOption('all'))
    .addHelpText('after', '\nExamples:\n  millrace stack down\n  millrace stack down --parts redis')
    .action(async (options: Options) => {
      await shown(async (progress) => stackDown({ ...options, dataFolder: stackFolder(options), progress: progress.report }));
    });
}

function resetCommand(): Command {
  return withCommonOptions(new Command('reset'))
    .description('stop the servers and delete their data')
    .addHelpText('after', '\nExample:\n  millrace stack reset && millrace stack up')
    .action(async (options: Options) => {
      await shown(async (progress) => stackReset({ dataFolder: stackFolder(options), progress: progress.report }));
    });
}

function withCommonOptions(command: Command): Command {
  return command.option('--data-folder <folder>', 'the folder of `millrace start`; the servers are in its folder `stack`', '.millrace');
}

/** The folder of the servers itself may be named as well, as it once had to be. */
export function stackFolder({ dataFolder }: Pick<Options, 'dataFolder'>): string {
  return existsSync(join(dataFolder, 'stack.json')) ? resolve(dataFolder) : localFolder(dataFolder).stackFolder;
}

function partsOption(defaultText: string): Option {
  return new Option('--parts <parts>', `${PARTS.join(',')}, core or all (default: ${defaultText})`).argParser((list: string) => {
    try {
      return parseParts(list);
    } catch (error) {
      throw error instanceof StackError ? new InvalidArgumentError(`${error.problem}. ${error.remedy}`) : error;
    }
  });
}

/** Shows the progress of the work; Ctrl-C aborts it, and what it had started is stopped before it rejects. */
async function shown<T>(work: (progress: Progress, signal: AbortSignal) => Promise<T>): Promise<T> {
  const progress = progressOn(process.stdout);
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new DOMException('interrupted', 'AbortError'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt);
  try {
    return await work(progress, interrupted.signal);
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
    progress.close();
  }
}

function addresses(endpoints: StackEndpoints): readonly [Part, string][] {
  const byPart: Record<Part, string | undefined> = {
    postgres: endpoints.postgresUrl,
    kafka: endpoints.kafkaBrokers,
    registry: endpoints.registryUrl,
    redis: endpoints.redisUrl,
    elasticsearch: endpoints.elasticsearchUrl,
    debezium: endpoints.connectUrl,
  };
  return PARTS.flatMap((part): [Part, string][] => (byPart[part] === undefined ? [] : [[part, byPart[part]]]));
}

function lineOf({ part, state, address, pid, log }: PartStatus): string {
  const where = state === 'stopped' ? '' : ` ${withoutPassword(address)}`;
  return `${part.padEnd(13)} ${state}${where}${pid === undefined ? '' : ` (process ${pid})`}${log === undefined ? '' : `, log ${log}`}`;
}
