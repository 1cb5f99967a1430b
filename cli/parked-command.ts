import { userInfo } from 'node:os';
import { Command, Option } from 'commander';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { Connections } from '../runtime/connections.ts';
import type { ParkedFailure } from '../runtime/parked-operations.ts';
import { changeParked, findParked, parkingGroups } from '../runtime/parked-operations.ts';
import type { ParkedAction, ParkedFilter } from '../runtime/postgres/parked-admin.ts';
import type { CodeOptions } from './common-options.ts';
import { codeOf, dataFolderOption, withCodeOption } from './common-options.ts';
import { UsageError } from './exit.ts';
import { count, failedJson, parkedJson, parkedText } from './parked-text.ts';
import { withConnections } from './with-connections.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 10_000;
const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

interface FilterOptions extends CodeOptions {
  readonly group?: string;
  readonly key?: string;
  readonly trace?: string;
  readonly type?: string;
  readonly olderThan?: string;
  readonly blocked?: true;
  readonly limit?: string;
  readonly json?: true;
  readonly dataFolder: string;
}

interface ChangeOptions extends FilterOptions {
  readonly all?: true;
  readonly dryRun?: true;
  readonly apply?: true;
  readonly actor?: string;
}

export function parkedCommand(): Command {
  return new Command('parked')
    .description('records that wait for a retry, in the order of their keys')
    .addCommand(listCommand())
    .addCommand(changeCommand('retry', 'let records have their next attempt now; a blocked one gets fresh attempts'))
    .addCommand(changeCommand('discard', 'take records away for good: they are never handled, and their key goes on'));
}

function listCommand(): Command {
  return withFilters(new Command('list').description('show what waits, and why'))
    .addHelpText(
      'after',
      `
Shows keys and errors, never payloads. A record "behind another one" has not been tried: an earlier one of its key waits.

Examples:
  millrace parked list
  millrace parked list --group processor.scan --blocked
  millrace parked list --code CALL_FAILED --older-than 1h --json`,
    )
    .action(async (options: FilterOptions) => {
      const { filter, limit } = meaningOf(options);
      await withParked(options, filter, async (pipeline, connections) => {
        const found = await findParked(pipeline, connections, filter, { limit });
        console.log(options.json === true ? JSON.stringify(parkedJson(found)) : parkedText(found));
        return found.failed;
      });
    });
}

function changeCommand(action: ParkedAction, description: string): Command {
  return withFilters(new Command(action).description(description))
    .option('--all', 'whatever is parked')
    .option('--dry-run', 'show what it would touch; this is what happens without --apply')
    .option('--apply', 'do it')
    .option('--actor <name>', 'who does it, for the audit; the user of this system when left out')
    .addHelpText(
      'after',
      `
Each record is written to the audit (dead_letter_audit) before it happens. The processes that own the keys notice within seconds.
It may be interrupted and run again.

Examples:
  millrace parked ${action} --group processor.scan --key 5f0c
  millrace parked ${action} --trace 0af7651916cd43dd8448eb211c80319c --apply
  millrace parked ${action} --group processor.my --code CALL_FAILED --older-than 30m --apply --actor ann --json`,
    )
    .action(async (options: ChangeOptions) => {
      const { filter, limit } = meaningOf(options);
      if (options.apply === true && options.dryRun === true) throw new UsageError('say either --dry-run or --apply');
      if (options.apply === true && options.limit !== undefined)
        throw new UsageError('--limit only limits what is shown; --apply touches every record that fits: narrow it by the filters');
      if (options.all !== true && Object.keys(filter).length === 0) throw new UsageError('say which records, or --all');
      await withParked(options, filter, async (pipeline, connections) =>
        options.apply === true
          ? change(action, options, await changeParked(pipeline, connections, filter, { action, actor: actorOf(options) }))
          : rehearse(action, options, await findParked(pipeline, connections, filter, { limit, of: action })),
      );
    });
}

function rehearse(action: ParkedAction, options: ChangeOptions, found: Awaited<ReturnType<typeof findParked>>): readonly ParkedFailure[] {
  if (options.json === true) console.log(JSON.stringify({ action, applied: false, ...parkedJson(found) }));
  else console.log(`${parkedText(found)}${found.records === 0 ? '' : `\nwould ${action} them; --apply does it`}`);
  return found.failed;
}

function change(
  action: ParkedAction,
  options: ChangeOptions,
  { records, failed }: Awaited<ReturnType<typeof changeParked>>,
): readonly ParkedFailure[] {
  if (options.json === true) console.log(JSON.stringify({ action, applied: true, records, failed: failedJson(failed) }));
  else console.log(`${action === 'retry' ? 'retried' : 'discarded'} ${count(records, 'record')}`);
  return failed;
}

function withFilters(command: Command): Command {
  return withCodeOption(command)
    .option('--group <group>', 'only of this consumer group, such as processor.scan')
    .option('--key <key>', 'only with this record key')
    .option('--trace <id>', 'only of this trace')
    .option('--type <type>', 'only events of this type')
    .option('--older-than <age>', 'only parked for at least so long: 90s, 30m, 2h, 1d')
    .option('--blocked', 'only those that wait for a person')
    .addOption(new Option('--limit <count>', `how many to show (default: ${LIMIT_DEFAULT})`))
    .option('--json', 'print one JSON object')
    .addOption(dataFolderOption());
}

async function withParked(
  options: FilterOptions,
  filter: ParkedFilter,
  work: (pipeline: PipelineDefinition, connections: Connections) => Promise<readonly ParkedFailure[]>,
): Promise<void> {
  await withConnections('parked', options.dataFolder, async (connections, pipeline) => {
    requireGroup([...parkingGroups(pipeline, connections).keys()], filter.group);
    const failed = await work(pipeline, connections);
    for (const { domain, error } of failed) console.error(`${domain}: ${error.code}: ${error.message}\n  ${error.remedy}`);
    if (failed.length > 0) process.exitCode = 1;
  });
}

/** A former version of a projection may have left records. @throws UsageError listing the groups that there are. */
export function requireGroup(groups: readonly string[], group: string | undefined): void {
  if (group === undefined || groups.includes(group) || /(^|\.)projection\.[^.]+\.v\d+$/.test(group)) return;
  throw new UsageError(`no such group\nGroups: ${groups.join(', ')}`);
}

/** @throws UsageError */
export function meaningOf(options: FilterOptions): { readonly filter: ParkedFilter; readonly limit: number } {
  const { group, key, trace, type, olderThan, blocked, limit } = options;
  const code = codeOf(options);
  const filter: ParkedFilter = {
    ...(group === undefined ? {} : { group }),
    ...(key === undefined ? {} : { key }),
    ...(code === undefined ? {} : { errorCode: code }),
    ...(trace === undefined ? {} : { traceId: trace }),
    ...(type === undefined ? {} : { type }),
    ...(olderThan === undefined ? {} : { olderThanMs: ageOf(olderThan) }),
    ...(blocked === undefined ? {} : { blocked }),
  };
  return { filter, limit: limitOf(limit) };
}

function ageOf(text: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  const unit = match?.[2] as keyof typeof UNITS_MS | undefined;
  if (match === null || unit === undefined) throw new UsageError('--older-than must be a number with s, m, h or d, such as 30m');
  return Number(match[1]) * UNITS_MS[unit];
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return LIMIT_DEFAULT;
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw new UsageError(`--limit must be a whole number from 1 to ${LIMIT_MAX}`);
}

/** @throws UsageError when nobody is named and the system does not know. */
function actorOf({ actor }: ChangeOptions): string {
  if (actor !== undefined && actor.trim() !== '') return actor.trim();
  try {
    return userInfo().username;
  } catch {
    throw new UsageError('say who you are: --actor <name>');
  }
}
