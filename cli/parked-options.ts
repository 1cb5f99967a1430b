import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { Option } from 'commander';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import type { Connections } from '../runtime/connections.ts';
import type { ParkedFailure } from '../runtime/parked-operations.ts';
import { findParked, orphanedPlaces, parkingGroups } from '../runtime/parked-operations.ts';
import type { ParkedOrphans } from '../runtime/parked-orphans.ts';
import type { ParkedFilter } from '../runtime/postgres/parked-filter.ts';
import type { CodeOptions } from './common-options.ts';
import { ageOf, codeOf, dataFolderOption, limitOf, unknownWords, withCodeOption } from './common-options.ts';
import { UsageError } from './exit.ts';
import { interrupts } from './interrupts.ts';
import { withConnections } from './with-connections.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 10_000;

/** The conditions that every command over parked records understands. */
export interface FilterOptions extends CodeOptions {
  readonly group?: string;
  readonly key?: string;
  readonly trace?: string;
  readonly type?: string;
  readonly olderThan?: string;
  readonly blocked?: true;
  readonly orphans?: true;
  readonly limit?: string;
  readonly json?: true;
  readonly dataFolder: string;
}

export function withFilters(command: Command): Command {
  return withCodeOption(command)
    .option('--group <group>', 'only of this consumer group, such as processor.scan')
    .option('--key <key>', 'only with this record key')
    .option('--trace <id>', 'only of this trace')
    .option('--type <type>', 'only events of this type')
    .option('--older-than <age>', 'only parked for at least so long: 90s, 30m, 2h, 1d')
    .option('--blocked', 'only those that wait for a person')
    .option('--orphans', 'only those that no group of this pipeline reads any more')
    .addOption(new Option('--limit <count>', `how many to show (default: ${LIMIT_DEFAULT})`))
    .option('--json', 'print JSON')
    .addOption(dataFolderOption());
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
    ...(olderThan === undefined ? {} : { olderThanMs: ageOf(olderThan, '--older-than') }),
    ...(blocked === undefined ? {} : { blocked }),
  };
  return { filter, limit: limit === undefined ? LIMIT_DEFAULT : limitOf(limit, LIMIT_MAX) };
}

/** @throws UsageError when nobody is named and the system does not know. */
export function actorOf(actor: string | undefined): string {
  if (actor !== undefined && actor.trim() !== '') return actor.trim();
  try {
    return userInfo().username;
  } catch {
    throw new UsageError('say who you are: --actor <name>');
  }
}

export interface ParkedWork {
  readonly pipeline: PipelineDefinition;
  readonly connections: Connections;
  readonly filter: ParkedFilter;
  /** With --orphans: what nobody reads, as far as this version of the pipeline knows. */
  readonly orphans: readonly ParkedOrphans[];
  /** Aborted by Ctrl-C: what is begun is finished, and the command can be run again. */
  readonly signal: AbortSignal;
}

/**
 * Opens what the commands need and closes it again; databases that could not be asked are told, and make the command fail.
 * @throws UsageError
 */
export async function withParked(
  options: FilterOptions,
  filter: ParkedFilter,
  work: (given: ParkedWork) => Promise<readonly ParkedFailure[]>,
): Promise<void> {
  const interrupted = interrupts({ leaves: 'what was written stays written, and the command can be run again' });
  try {
    await withConnections('parked', options.dataFolder, async (connections, pipeline) => {
      for (const unknown of unknownWords(options, pipeline)) console.error(unknown);
      await requireGroup(pipeline, connections, filter.group);
      const orphans = options.orphans === true ? await orphanedPlaces(pipeline, connections) : [];
      const places = options.orphans === true ? { places: orphans } : {};
      const failed = await work({ pipeline, connections, filter: { ...filter, ...places }, orphans, signal: interrupted.signal });
      for (const { domain, error } of failed) console.error(`${domain}: ${error.code}: ${error.message}\n  ${error.remedy}`);
      if (failed.length > 0) process.exitCode = 1;
      if (interrupted.signal.aborted) process.exitCode = 130;
    });
  } finally {
    interrupted.end();
  }
}

/** A group that is gone may have left records. @throws UsageError listing the groups that there are, when it has not. */
async function requireGroup(pipeline: PipelineDefinition, connections: Connections, group: string | undefined): Promise<void> {
  if (group === undefined) return;
  const groups = parkingGroups(pipeline, connections);
  if (groups.has(group)) return;
  const { records, failed } = await findParked(pipeline, connections, { group }, { limit: 0 });
  if (records > 0 || failed.length > 0) return;
  throw new UsageError(`no such group, and nothing of it is parked\nGroups: ${[...groups.keys()].join(', ')}`);
}
