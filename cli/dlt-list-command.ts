import type { Command } from 'commander';
import { limitOf, limitOption } from './common-options.ts';
import type { FilterOptions } from './dlt-options.ts';
import { filterOf, letterCommand, noLetter, progressOnTerminal, queuesOf, withLetters } from './dlt-options.ts';
import { letterFields, letterLines } from './dlt-text.ts';
import type { ArchiveOptions } from './letter-source.ts';
import { archiveOption, sourceOf } from './letter-source.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 1_000_000;

interface Options extends FilterOptions, ArchiveOptions {
  readonly limit: string;
  readonly json?: true;
}

/** `millrace dlt list` */
export function dltListCommand(): Command {
  return letterCommand('list', 'list dead letters: why, where and when, without their payloads')
    .option('--state <states>', 'all, or some of open, archived, replayed, discarded; without it, those that nobody has handled')
    .addOption(limitOption(LIMIT_DEFAULT))
    .addOption(archiveOption())
    .option('--json', 'print one JSON object a line')
    .addHelpText(
      'after',
      `
Reads the topics as they are when the command begins, or an archive, and changes nothing.

Examples:
  millrace dlt list
  millrace dlt list --group processor.scan --code CALL_FAILED --newer-than 12h
  millrace dlt list --topic events.scan.requested --key somebody --state all --json
  millrace dlt list --from-archive /archive --key somebody`,
    )
    .action(async (options: Options) => list(options));
}

async function list(options: Options): Promise<void> {
  const limit = limitOf(options.limit, LIMIT_MAX);
  const filter = filterOf(options, Date.now());
  await withLetters(options, async ({ letters, signal }) => {
    const queues = queuesOf(letters.queues, options);
    const progress = progressOnTerminal(options.json === true);
    let shown = 0;
    let isCut = false;
    for await (const found of sourceOf(letters, options).log.read(queues, filter, { signal, onProgress: progress.onProgress })) {
      if (shown === limit) {
        isCut = true;
        break;
      }
      progress.end();
      console.log(options.json === true ? JSON.stringify(letterFields(found)) : letterLines(found));
      shown += 1;
    }
    progress.end();
    if (shown === 0 && options.json !== true) console.log(noLetter(options));
    // Beside the data: a program that reads the lines must not take them for all of them.
    if (isCut) console.error(`there are more than ${limit}: --limit shows more, the conditions show others`);
  });
}
