import { Command } from 'commander';
import type { ParkedFailure } from '../runtime/parked-operations.ts';
import { changeParked, findParked } from '../runtime/parked-operations.ts';
import type { ParkedAction } from '../runtime/postgres/parked-filter.ts';
import type { ParkedRehearsal } from '../runtime/rehearsal/rehearse-parked.ts';
import { rehearseParked } from '../runtime/rehearsal/rehearse-parked.ts';
import { liveReaders } from '../runtime/parked-orphans.ts';
import { systemClock } from '../runtime/telemetry/system-clock.ts';
import { countOf, dryRunOption, requireOneOf } from './common-options.ts';
import { UsageError } from './exit.ts';
import type { FilterOptions, ParkedWork } from './parked-options.ts';
import { actorOf, meaningOf, withFilters, withParked } from './parked-options.ts';
import { OLDER_THAN_INBOX, count, failedJson, parkedJson, parkedRehearsalJson, parkedRehearsalText, parkedText } from './parked-text.ts';

const RATE_MAX = 100_000;

interface ChangeOptions extends FilterOptions {
  readonly all?: true;
  readonly dryRun?: true;
  readonly apply?: true;
  readonly rate?: string;
  readonly acceptDoubleEffects?: true;
  readonly withCalls?: true;
  readonly payloads?: true;
  readonly actor?: string;
  readonly reason?: string;
}

const INTERRUPTED = 'interrupted: the same command goes on with the rest';

/** `millrace parked retry` */
export function parkedRetryCommand(): Command {
  return changeCommand('retry', 'let records have their next attempt now; without --apply, rehearse what it would do with each')
    .option('--accept-double-effects', 'records, too, whose event is older than the inbox remembers: their effect may come twice')
    .option('--with-calls', 'without --apply: make the calls that reactions declare; the retry makes them again, with the same key')
    .option('--payloads', 'without --apply: show the content of what would be written')
    .addHelpText(
      'after',
      `
A rehearsal runs the handler of this version on each record, in a transaction that is rolled back (a projection: over the
documents that are there, writing none). Each record is rehearsed alone, without the effects of those before it.

A blocked record gets fresh attempts. Records behind another one of their key are not touched: they follow it.
${AUDITED}

Examples:
  millrace parked retry --group processor.scan --key 5f0c
  millrace parked retry --group processor.my --code CALL_FAILED --older-than 30m --apply --rate 50
  millrace parked retry --trace 0af7651916cd43dd8448eb211c80319c --apply --actor ann --reason 'service is back'`,
    )
    .action(async (options: ChangeOptions) =>
      change('retry', options, async (work, limit) => {
        const results = new Map<ParkedRehearsal['kind'], number>();
        const failed = await rehearseParked(work.pipeline, work.connections, work.filter, {
          ...{ limit, signal: work.signal },
          acceptDoubleEffects: options.acceptDoubleEffects === true,
          withCalls: options.withCalls === true,
          show: (entry, rehearsal) => {
            results.set(rehearsal.kind, (results.get(rehearsal.kind) ?? 0) + 1);
            const show = options.json === true ? parkedRehearsalJson : parkedRehearsalText;
            console.log(show(entry, rehearsal, options.payloads === true));
          },
        });
        if (options.json === true) return failed;
        if (work.signal.aborted) console.log('interrupted: nothing was retried, and not all were rehearsed');
        else tellRehearsed(results, await retryable(work));
        return failed;
      }),
    );
}

/** `millrace parked discard` */
export function parkedDiscardCommand(): Command {
  return changeCommand('discard', 'take records away for good: they are never handled, and their key goes on; without --apply, show them')
    .addHelpText(
      'after',
      `
What waits behind a record of its key is not discarded with it: it is handled next. --orphans is refused while Kafka knows members of
such a group that read the topic: a pipeline of another version runs.
${AUDITED}

Examples:
  millrace parked discard --group processor.scan --key 5f0c
  millrace parked discard --trace 0af7651916cd43dd8448eb211c80319c --apply --reason 'test data'
  millrace parked discard --orphans --apply --actor ann --json`,
    )
    .action(async (options: ChangeOptions) =>
      change('discard', options, async (work, limit) => {
        await requireNoReaders(work);
        const { pipeline, connections, filter } = work;
        const found = await findParked(pipeline, connections, filter, { limit, of: 'discard' });
        if (options.json === true) console.log(JSON.stringify({ action: 'discard', applied: false, ...parkedJson(found) }));
        else console.log(`${parkedText(found)}${found.records === 0 ? '' : '\nwould discard them; --apply does it'}`);
        return found.failed;
      }),
    );
}

const AUDITED = `Each record is written to the audit (dead_letter_audit) before it happens. The processes that own the keys notice within seconds.
It may be interrupted (Ctrl-C) and run again.`;

function changeCommand(action: ParkedAction, description: string): Command {
  return withFilters(new Command(action).description(description))
    .option('--all', 'whatever is parked')
    .addOption(dryRunOption())
    .option('--apply', 'do it')
    .option('--rate <records>', 'with --apply: so many a second at most')
    .option('--actor <name>', 'who does it, for the audit; the user of this system when left out')
    .option('--reason <text>', 'why, for the audit');
}

async function change(
  action: ParkedAction,
  options: ChangeOptions,
  rehearse: (work: ParkedWork, limit: number) => Promise<readonly ParkedFailure[]>,
): Promise<void> {
  const { filter, limit } = meaningOf(options);
  const ratePerSecond = options.rate === undefined ? undefined : countOf(options.rate, '--rate', RATE_MAX);
  requireOneOf(options);
  if (options.apply === true && options.limit !== undefined)
    throw new UsageError('--limit only limits what is shown; --apply touches every record that fits: narrow it by the filters');
  if (action === 'retry' && options.orphans === true)
    throw new UsageError('nobody would handle them: bring their group or topic back, or `millrace parked discard --orphans`');
  if (options.all !== true && options.orphans !== true && Object.keys(filter).length === 0)
    throw new UsageError('say which records, or --all');
  await withParked(options, filter, async (work) =>
    options.apply === true ? apply(action, options, work, ratePerSecond) : rehearse(work, limit),
  );
}

async function apply(
  action: ParkedAction,
  options: ChangeOptions,
  work: ParkedWork,
  ratePerSecond: number | undefined,
): Promise<readonly ParkedFailure[]> {
  if (action === 'discard') await requireNoReaders(work);
  const { pipeline, connections, filter, signal } = work;
  const blocked = options.json === true ? 0 : await countBlocked(action, work);
  const { records, refused, interrupted, failed } = await changeParked(pipeline, connections, filter, {
    ...{ action, actor: actorOf(options.actor), detail: options.reason, ratePerSecond, signal, clock: systemClock },
    acceptDoubleEffects: options.acceptDoubleEffects === true,
  });
  if (options.json === true) {
    console.log(JSON.stringify({ action, applied: true, records, refused, interrupted, failed: failedJson(failed) }));
    return failed;
  }
  console.log(`${action === 'retry' ? 'retried' : 'discarded'} ${count(records, 'record')}`);
  if (refused > 0) console.log(`left out: ${count(refused, 'record')} ${OLDER_THAN_INBOX}`);
  if (blocked > 0) console.log(blockedText(blocked));
  if (interrupted) console.log(INTERRUPTED);
  return failed;
}

/** What is blocked has a dead letter as well, which nothing here touches. */
async function countBlocked(action: ParkedAction, { pipeline, connections, filter }: ParkedWork): Promise<number> {
  return (await findParked(pipeline, connections, { ...filter, blocked: true }, { limit: 0, of: action })).records;
}

function blockedText(blocked: number): string {
  const [were, them] = blocked === 1 ? ['was', 'it'] : ['were', 'them'];
  return `${blocked} of them ${were} blocked, and in the dead letters as well: \`millrace dlt purge\` marks ${them} there, when all is well`;
}

/** What this version of the pipeline takes for nobody's may be read by another one that runs beside it. */
async function requireNoReaders({ connections, filter, orphans }: ParkedWork): Promise<void> {
  const meant = orphans.filter(({ group }) => filter.group === undefined || filter.group === group);
  const readers = await liveReaders(meant, connections.brokerAdmin());
  if (readers.length === 0) return;
  const lines = readers.map(({ group, members, topics }) => `  ${group} (${count(members, 'member')}) reads ${topics.join(', ')}`);
  throw new Error(
    `not discarded: this version of the pipeline does not know who reads them, and Kafka does:\n${lines.join('\n')}\n` +
      'Stop these groups first, or use the version that they run. --group names another one, whose records are without a reader.',
  );
}

async function retryable({ pipeline, connections, filter }: ParkedWork): Promise<number> {
  return (await findParked(pipeline, connections, filter, { limit: 0, of: 'retry' })).records;
}

function tellRehearsed(results: ReadonlyMap<ParkedRehearsal['kind'], number>, records: number): void {
  const shown = [...results.values()].reduce((sum, each) => sum + each, 0);
  const counts = [...results].map(([kind, number]) => `${number} ${kind}`).join(', ');
  console.log(shown === 0 ? 'no parked record fits that waits for its own next attempt' : `rehearsed: ${counts}; --apply retries them`);
  if (records > shown) console.log(`(${records - shown} more were not rehearsed; --limit shows more)`);
}
