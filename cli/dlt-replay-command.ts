import type { Command } from 'commander';
import { agrees, counted } from '../core/counted.ts';
import { giveBackTo } from '../runtime/dead-letters/give-back.ts';
import { inboxMemory } from '../runtime/dead-letters/inbox-memory.ts';
import { UNHANDLED } from '../runtime/dead-letters/letter-filter.ts';
import { isGroupQueue } from '../runtime/dead-letters/letter-queues.ts';
import { originalRecord } from '../runtime/dead-letters/letter.ts';
import { replayLetters } from '../runtime/dead-letters/replay.ts';
import type { Refusal, Selection } from '../runtime/dead-letters/select-letters.ts';
import { selectLetters } from '../runtime/dead-letters/select-letters.ts';
import type { Rehearsal } from '../runtime/rehearsal/rehearsal.ts';
import { Rehearsals } from '../runtime/rehearsal/rehearsals.ts';
import { systemClock } from '../runtime/telemetry/system-clock.ts';
import { countOf, dryRunOption, limitOf, limitOption, requireOneOf } from './common-options.ts';
import type { FilterOptions, LetterWork } from './dlt-options.ts';
import { chooses, filterOf, letterCommand, noLetter, progressOnTerminal, queuesOf, thisOperator, withLetters } from './dlt-options.ts';
import { UsageError } from './exit.ts';
import type { ArchiveOptions, LetterSource } from './letter-source.ts';
import { archiveOption, sourceOf } from './letter-source.ts';
import { rehearsalJson, rehearsalLines } from './rehearsal-text.ts';

const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 100_000;
const RATE_MAX = 100_000;

interface Options extends FilterOptions, ArchiveOptions {
  readonly all?: true;
  readonly limit: string;
  readonly dryRun?: true;
  readonly apply?: true;
  readonly rate?: string;
  readonly force?: true;
  readonly acceptDoubleEffects?: true;
  readonly withCalls?: true;
  readonly payloads?: true;
  readonly actor: string;
  readonly reason?: string;
  readonly json?: true;
}

/** `millrace dlt replay` */
export function dltReplayCommand(): Command {
  return letterCommand('replay', 'give dead letters back to their group alone; without --apply, rehearse what it would do with each')
    .option('--all', 'every letter that nobody has handled: without it, some condition must choose')
    .addOption(archiveOption())
    .addOption(limitOption(LIMIT_DEFAULT, 'so many at most, the oldest first'))
    .addOption(dryRunOption())
    .option('--apply', 'do it')
    .option('--rate <letters>', 'with --apply: so many a second at most')
    .option('--force', 'letters, too, that were replayed or discarded before')
    .option('--accept-double-effects', 'letters, too, whose event is older than the inbox remembers: their effect may come twice')
    .option('--with-calls', 'without --apply: make the calls that reactions declare; the replay makes them again, with the same key')
    .option('--payloads', 'without --apply: show the content of what would be written')
    .option('--actor <name>', 'who decides, for the audit', thisOperator())
    .option('--reason <text>', 'why, for the audit')
    .option('--json', 'print one JSON object a line')
    .addHelpText(
      'after',
      `
A rehearsal runs the handler of this version on each letter, in a transaction that is rolled back (a projection: over the
documents that are there, writing none). Each letter is rehearsed alone, without the effects of those before it.

A replay puts the records, byte for byte, behind those of their key that wait already; the group's running process handles
them. Other groups of the topic see nothing. It can be interrupted (Ctrl-C) and run again: what was replayed is marked, and is
not replayed twice. With --from-archive the audit says what was replayed before, also of letters that Kafka holds no more. Letters of a capture are rows that never became records: they cannot be replayed, their domain writes a new one.

Examples:
  millrace dlt replay --group processor.scan --code DECISION_FAILED
  millrace dlt replay --group processor.scan --code DECISION_FAILED --apply --rate 50
  millrace dlt replay --from-archive /archive/events.scan.requested.processor.scan.dlt/2026-03-01 --apply
  millrace dlt replay --trace 0af7651916cd43dd8448eb211c80319c --with-calls --payloads`,
    )
    .action(async (options: Options) => replay(options));
}

async function replay(options: Options): Promise<void> {
  requireOneOf(options);
  if (!chooses(options) && options.all !== true && options.fromArchive === undefined) throw new UsageError('name a condition, or --all');
  const limit = limitOf(options.limit, LIMIT_MAX);
  const ratePerSecond = options.rate === undefined ? undefined : countOf(options.rate, '--rate', RATE_MAX);
  await withLetters(options, async (work) => {
    const source = sourceOf(work.letters, options);
    const selection = await select(work, source, options, limit);
    if (options.apply === true) await apply(work, source, selection, options, ratePerSecond);
    else await rehearse(work, source, selection, options);
  });
}

/** For the audit. */
function detailOf({ fromArchive, reason }: Options): string | undefined {
  if (fromArchive === undefined) return reason;
  return reason === undefined ? 'from the archive' : `from the archive: ${reason}`;
}

async function select({ letters, signal }: LetterWork, { log }: LetterSource, options: Options, limit: number): Promise<Selection> {
  const queues = queuesOf(letters.queues, options);
  const filter = { ...filterOf(options, Date.now()), states: options.force === true ? undefined : UNHANDLED };
  const progress = progressOnTerminal(options.json === true);
  const selection = await selectLetters(log, queues, filter, {
    ...{ signal, limit, onProgress: progress.onProgress },
    inboxMemory: inboxMemory(letters.connections),
    acceptDoubleEffects: options.acceptDoubleEffects === true,
  });
  progress.end();
  return selection;
}

async function apply(
  { letters, signal }: LetterWork,
  { log, states }: LetterSource,
  selection: Selection,
  options: Options,
  ratePerSecond: number | undefined,
): Promise<void> {
  const report = await replayLetters(selection.chosen, {
    letters: log.fetcher(),
    states,
    giveBack: giveBackTo(letters.connections),
    clock: systemClock,
    ...{ actor: options.actor, detail: detailOf(options), force: options.force === true, ratePerSecond, signal },
  });
  const { replayed, passedOver, interrupted } = report;
  if (interrupted) process.exitCode = 130;
  if (options.json === true) {
    console.log(
      JSON.stringify({ applied: true, replayed, passed_over: passedOver, refused: selection.refused, more: selection.more, interrupted }),
    );
    return;
  }
  console.log(`${counted(replayed, 'letter')} ${agrees(replayed, 'is given back to its group', 'are given back to their groups')}`);
  if (passedOver > 0)
    console.log(
      `${passedOver} ${agrees(passedOver, 'was', 'were')} handled by somebody else meanwhile, or ${agrees(passedOver, 'is', 'are')} gone`,
    );
  tellRefused(selection);
  if (interrupted) console.log('interrupted: the same command goes on with the rest');
  else if (selection.more > 0) console.log(`${moreFit(selection)}: the same command goes on with them, --limit takes more at once`);
}

/** Letters that are read together. */
const FETCH_MAX = 50;

async function rehearse(
  { letters, pipeline, signal }: LetterWork,
  { log }: LetterSource,
  selection: Selection,
  options: Options,
): Promise<void> {
  const { chosen } = selection;
  const fetcher = log.fetcher();
  const rehearsals = new Rehearsals({ pipeline, connections: letters.connections, withCalls: options.withCalls === true });
  const results = new Map<Rehearsal['kind'], number>();
  try {
    for (let from = 0; from < chosen.length; from += FETCH_MAX) {
      for (const { letter, queue } of await fetcher.fetch(chosen.slice(from, from + FETCH_MAX))) {
        signal.throwIfAborted();
        const record = originalRecord(letter);
        if (record === undefined || !isGroupQueue(queue)) continue;
        const rehearsal = await (await rehearsals.of(queue)).rehearse(record);
        results.set(rehearsal.kind, (results.get(rehearsal.kind) ?? 0) + 1);
        const show = options.json === true ? rehearsalJson : rehearsalLines;
        console.log(show(letter.place, rehearsal, options.payloads === true));
      }
    }
  } finally {
    await rehearsals.stop();
  }
  if (options.json === true) {
    // Beside the data: a program that reads the lines must not take them for all of them.
    if (selection.more > 0) console.error(`${moreFit(selection)}: --limit takes more`);
    return;
  }
  const counts = [...results].map(([kind, count]) => `${count} ${kind}`).join(', ');
  console.log(chosen.length === 0 ? nothingChosen(selection, options) : `rehearsed: ${counts}; --apply replays them`);
  if (selection.more > 0) console.log(`${moreFit(selection)} and were not rehearsed: --limit takes more, with --apply as well`);
  tellRefused(selection);
}

/** The limit counts what is replayed, so a limit that was reached must not look like the end. */
function moreFit({ more }: Selection): string {
  return `${counted(more, 'more letter')} ${agrees(more, 'fits', 'fit')}`;
}

function nothingChosen({ refused }: Selection, options: Options): string {
  if (Object.keys(refused).length > 0) return 'no dead letter that fits can be replayed';
  return noLetter(options.force === true ? { ...options, state: 'all' } : options);
}

const REFUSALS: Readonly<Record<Refusal, string>> = {
  capture:
    'of a capture: they are rows that never became records, and cannot be replayed. Their domain has to write them again; ' +
    '`millrace dlt show <letter> --payload-to <file>` gives the payload of one, put together where it is in parts',
  foreign: 'that do not say which record of their group they were: somebody else wrote them',
  'older-than-inbox': 'whose event is older than the inbox remembers: its effect could come twice (--accept-double-effects)',
};

function tellRefused({ refused }: Selection): void {
  for (const [refusal, count] of Object.entries(refused))
    console.log(`left out: ${counted(count, 'letter')} ${REFUSALS[refusal as Refusal]}`);
}
