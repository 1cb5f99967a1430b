import type { Command } from 'commander';
import { LetterStats } from '../runtime/dead-letters/letter-stats.ts';
import type { FilterOptions } from './dlt-options.ts';
import { filterOf, letterCommand, noLetter, progressOnTerminal, queuesOf, withLetters } from './dlt-options.ts';
import { heapFields, heapLines } from './dlt-text.ts';
import type { ArchiveOptions } from './letter-source.ts';
import { archiveOption, sourceOf } from './letter-source.ts';

interface Options extends FilterOptions, ArchiveOptions {
  readonly json?: true;
}

/** `millrace dlt stats` */
export function dltStatsCommand(): Command {
  return letterCommand('stats', 'count dead letters by topic, error code, event type and fingerprint')
    .option('--state <states>', 'all, or some of open, archived, replayed, discarded; without it, those that nobody has handled')
    .addOption(archiveOption())
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
Letters of one fingerprint have the same error but for numbers and ids, and most likely one cause.

Examples:
  millrace dlt stats
  millrace dlt stats --group processor.scan --newer-than 1d --json
  millrace dlt stats --from-archive /archive`,
    )
    .action(async (options: Options) => stats(options));
}

async function stats(options: Options): Promise<void> {
  const filter = filterOf(options, Date.now());
  await withLetters(options, async ({ letters, signal }) => {
    const queues = queuesOf(letters.queues, options);
    const progress = progressOnTerminal(options.json === true);
    const counted = new LetterStats();
    for await (const found of sourceOf(letters, options).log.read(queues, filter, { signal, onProgress: progress.onProgress }))
      counted.add(found);
    progress.end();
    const heaps = counted.heaps();
    if (options.json === true) {
      console.log(JSON.stringify({ heaps: heaps.map(heapFields), others: counted.others }));
      return;
    }
    console.log(heaps.length === 0 ? noLetter(options) : heaps.map(heapLines).join('\n'));
    if (counted.others > 0) console.log(`${counted.others} more of further kinds: the conditions show them`);
  });
}
