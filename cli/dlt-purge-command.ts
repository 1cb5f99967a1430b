import type { Command } from 'commander';
import { agrees, counted } from '../core/counted.ts';
import { deleteLettersBefore, discardLetters } from '../runtime/dead-letters/discard.ts';
import { LetterStats } from '../runtime/dead-letters/letter-stats.ts';
import { parsePlace } from '../runtime/dead-letters/letter.ts';
import { UNHANDLED } from '../runtime/dead-letters/letter-filter.ts';
import { dryRunOption, requireOneOf } from './common-options.ts';
import type { FilterOptions, LetterWork } from './dlt-options.ts';
import { chooses, filterOf, letterCommand, progressOnTerminal, queuesOf, thisOperator, withLetters } from './dlt-options.ts';
import { heapFields, heapLines } from './dlt-text.ts';
import { UsageError } from './exit.ts';

interface Options extends FilterOptions {
  readonly all?: true;
  readonly deleteBefore?: string;
  readonly actor: string;
  readonly reason?: string;
  readonly dryRun?: true;
  readonly apply?: true;
  readonly json?: true;
}

/** `millrace dlt purge` */
export function dltPurgeCommand(): Command {
  return letterCommand('purge', 'mark dead letters as needing no handling, or delete old ones from Kafka; shows first what it would do')
    .option('--all', 'every letter that nobody has handled: without it, some condition must choose')
    .option('--delete-before <letter>', 'delete from Kafka, for good, what lies before this place in its partition')
    .option('--actor <name>', 'who decides, for the audit', thisOperator())
    .option('--reason <text>', 'why, for the audit')
    .addOption(dryRunOption())
    .option('--apply', 'do it')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
Letters that are marked stay in Kafka until their retention is over; \`dlt list --state discarded\` shows them, and
\`dlt replay --force\` still replays them. What --delete-before removes is gone; letters among it that nobody has handled are
marked first, so that the audit names each.

Examples:
  millrace dlt purge --group processor.scan --code PAYLOAD_UNREADABLE
  millrace dlt purge --fingerprint 4be1f0a3c9d2 --apply --reason 'test data'
  millrace dlt purge --delete-before events.scan.requested.processor.scan.dlt/2/1700 --apply`,
    )
    .action(async (options: Options) => purge(options));
}

async function purge(options: Options): Promise<void> {
  requireOneOf(options);
  const { deleteBefore } = options;
  const chosen = chooses(options);
  if (deleteBefore !== undefined && (chosen || options.all === true)) throw new UsageError('--delete-before goes with no other condition');
  if (deleteBefore === undefined && !chosen && options.all !== true) throw new UsageError('name a condition, or --all');
  await withLetters(options, async (work) => (deleteBefore === undefined ? mark(work, options) : deleteOld(work, deleteBefore, options)));
}

async function mark({ letters, signal }: LetterWork, options: Options): Promise<void> {
  const queues = queuesOf(letters.queues, options);
  const filter = { ...filterOf(options, Date.now()), states: UNHANDLED };
  const progress = progressOnTerminal(options.json === true);
  const reading = { signal, onProgress: progress.onProgress };
  if (options.apply === true) {
    let discarded = 0;
    const onDiscarded = (sum: number): void => void (discarded = sum);
    const decision = { actor: options.actor, detail: options.reason, onDiscarded };
    try {
      await discardLetters(queues, filter, { ...letters, ...reading, ...decision });
    } catch (error) {
      if (!signal.aborted) throw error;
      process.exitCode = 130;
    }
    progress.end();
    tellMarked(discarded, signal.aborted, options);
    return;
  }
  const stats = new LetterStats();
  for await (const found of letters.log.read(queues, filter, reading)) stats.add(found);
  progress.end();
  report(stats, 'would be marked as discarded; --apply does it', options);
}

function tellMarked(discarded: number, interrupted: boolean, { json }: Options): void {
  if (json === true) {
    console.log(JSON.stringify({ applied: true, discarded, interrupted }));
    return;
  }
  console.log(`${counted(discarded, 'letter')} ${agrees(discarded, 'is', 'are')} marked as discarded`);
  if (interrupted) console.log('interrupted: the same command goes on with the rest');
}

async function deleteOld({ letters, signal }: LetterWork, text: string, options: Options): Promise<void> {
  const before = parsePlace(text);
  if (before === undefined) throw new UsageError('--delete-before must be <topic>/<partition>/<offset>');
  const queue = letters.queues.find(({ topic }) => topic === before.topic);
  if (queue === undefined)
    throw new UsageError(`no such dead-letter topic\nTopics: ${letters.queues.map(({ topic }) => topic).join(', ')}`);
  if (options.apply === true) {
    const admin = letters.connections.broker().admin();
    try {
      const detail = options.reason === undefined ? 'deleted from Kafka' : `deleted from Kafka: ${options.reason}`;
      const discarded = await deleteLettersBefore(queue, before, admin, { ...letters, signal, actor: options.actor, detail });
      console.log(
        options.json === true
          ? JSON.stringify({ applied: true, deleted_before: text, discarded })
          : `what lay before ${text} is deleted; ${counted(discarded, 'letter')} of it ${agrees(discarded, 'was', 'were')} not handled`,
      );
    } finally {
      await admin.stop();
    }
    return;
  }
  const stats = new LetterStats();
  for await (const found of letters.log.read([queue], { before }, { signal })) stats.add(found);
  report(stats, 'would be deleted from Kafka for good; --apply does it', options);
}

function report(stats: LetterStats, what: string, { json }: Options): void {
  const heaps = stats.heaps();
  const count = heaps.reduce((sum, heap) => sum + heap.count, stats.others);
  if (json === true) console.log(JSON.stringify({ applied: false, letters: count, heaps: heaps.map(heapFields) }));
  else console.log([...heaps.map(heapLines), `${counted(count, 'letter')} ${what}`].join('\n'));
}
