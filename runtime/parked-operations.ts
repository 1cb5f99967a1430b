import type { PipelineDefinition } from '../core/define-pipeline.ts';
import { classified } from '../core/errors.ts';
import type { ClassifiedError } from '../core/errors.ts';
import type { Connections } from './connections.ts';
import { PLATFORM } from './database-url.ts';
import type { Database } from './postgres/database.ts';
import type { ParkedAction, ParkedEntry, ParkedFilter } from './postgres/parked-admin.ts';
import { actOnParked, listParked } from './postgres/parked-admin.ts';

export interface ParkedFindings {
  /** The first ones of each database, as many as were asked for in all. */
  readonly entries: readonly ParkedEntry[];
  readonly records: number;
  readonly keys: number;
  readonly failed: readonly ParkedFailure[];
}

/** A database that could not be asked. */
export interface ParkedFailure {
  readonly domain: string;
  readonly error: ClassifiedError;
}

/** Every group that can have parked records, with the database where they are: a processor's with its domain, a projection's with the platform. */
export function parkingGroups(pipeline: PipelineDefinition, { config }: Pick<Connections, 'config'>): ReadonlyMap<string, string> {
  return new Map([
    ...pipeline.domains.map(({ name }) => [config.names.processorGroup(name), name] as const),
    ...pipeline.projections.map(({ name, version }) => [config.names.projectionGroup(name, version), PLATFORM] as const),
  ]);
}

export async function findParked(
  pipeline: PipelineDefinition,
  connections: Connections,
  filter: ParkedFilter,
  options: { readonly limit: number; readonly of?: ParkedAction },
): Promise<ParkedFindings> {
  const entries: ParkedEntry[] = [];
  let [records, keys] = [0, 0];
  const failed = await eachDatabase(pipeline, connections, filter, async (database) => {
    const found = await listParked(database, filter, options.limit, options.of);
    entries.push(...found.entries.slice(0, options.limit - entries.length));
    records += found.records;
    keys += found.keys;
  });
  return { entries, records, keys, failed };
}

/** Retries or discards what the filter means, in every database that can be reached; each record is in the audit first. */
export async function changeParked(
  pipeline: PipelineDefinition,
  connections: Connections,
  filter: ParkedFilter,
  options: { readonly action: ParkedAction; readonly actor: string },
): Promise<{ readonly records: number; readonly failed: readonly ParkedFailure[] }> {
  let records = 0;
  const audit = connections.platform();
  const failed = await eachDatabase(pipeline, connections, filter, async (database) => {
    records += await actOnParked(database, audit, filter, options.action, options.actor);
  });
  return { records, failed };
}

async function eachDatabase(
  pipeline: PipelineDefinition,
  connections: Connections,
  filter: ParkedFilter,
  work: (database: Database) => Promise<void>,
): Promise<readonly ParkedFailure[]> {
  const failed: ParkedFailure[] = [];
  for (const domain of databasesFor(pipeline, connections, filter.group)) {
    try {
      await work(connections.database(domain));
    } catch (error) {
      failed.push({ domain, error: classified(error, 'POSTGRES_UNAVAILABLE', 'the parked records could not be reached') });
    }
  }
  return failed;
}

/** A former version of a projection is no group of the pipeline any more, and may have left records all the same. */
function databasesFor(pipeline: PipelineDefinition, connections: Connections, group: string | undefined): readonly string[] {
  const groups = parkingGroups(pipeline, connections);
  if (group === undefined) return [...new Set(groups.values())];
  return [groups.get(group) ?? PLATFORM];
}
