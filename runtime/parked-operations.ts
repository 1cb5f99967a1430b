import type { PipelineDefinition } from '../core/define-pipeline.ts';
import { classified } from '../core/errors.ts';
import type { ClassifiedError } from '../core/errors.ts';
import type { Connections } from './connections.ts';
import { PLATFORM } from './database-url.ts';
import type { ParkedOrphans } from './parked-orphans.ts';
import { findParkedOrphans } from './parked-orphans.ts';
import type { Database } from './postgres/database.ts';
import type { ParkedChange } from './postgres/parked-admin.ts';
import { actOnParked } from './postgres/parked-admin.ts';
import type { ParkedAction, ParkedFilter } from './postgres/parked-filter.ts';
import type { ParkedEntry } from './postgres/parked-list.ts';
import { listParked } from './postgres/parked-list.ts';

export interface ParkedFindings {
  /** The first ones of each database, as many as were asked for in all. */
  readonly entries: readonly ParkedEntry[];
  readonly records: number;
  readonly keys: number;
  /** Records among them whose event is older than the inbox remembers. */
  readonly olderThanInbox: number;
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
  let [records, keys, olderThanInbox] = [0, 0, 0];
  const failed = await eachParkingDatabase(pipeline, connections, filter.group, async (database) => {
    const found = await listParked(database, database.domain, filter, options.limit, options.of);
    entries.push(...found.entries.slice(0, options.limit - entries.length));
    records += found.records;
    keys += found.keys;
    olderThanInbox += found.olderThanInbox;
  });
  return { entries, records, keys, olderThanInbox, failed };
}

export interface ParkedReport {
  readonly records: number;
  /** Left out of a retry: their event is older than the inbox remembers. */
  readonly refused: number;
  readonly interrupted: boolean;
  readonly failed: readonly ParkedFailure[];
}

/** Retries or discards what the filter means, in every database that can be reached; each record is in the audit first. */
export async function changeParked(
  pipeline: PipelineDefinition,
  connections: Connections,
  filter: ParkedFilter,
  change: ParkedChange,
): Promise<ParkedReport> {
  let [records, refused, interrupted] = [0, 0, false];
  const audit = connections.platform();
  const failed = await eachParkingDatabase(pipeline, connections, filter.group, async (database) => {
    if (interrupted) return;
    if (change.action === 'retry' && !change.acceptDoubleEffects)
      refused += (await listParked(database, database.domain, filter, 0, change.action)).olderThanInbox;
    const changed = await actOnParked(database, audit, filter, change);
    records += changed.records;
    interrupted = changed.interrupted;
  });
  return { records, refused, interrupted, failed };
}

/** The places whose parked records nobody reads. Rejects with the error of the server that is away. */
export async function orphanedPlaces(pipeline: PipelineDefinition, connections: Connections): Promise<readonly ParkedOrphans[]> {
  const database = (domain: string): Database => connections.database(domain);
  return findParkedOrphans({ pipeline, names: connections.config.names, database, admin: connections.brokerAdmin() });
}

/** Runs the work in every database that may hold parked records of the group, one after another; one that fails stops no other. */
export async function eachParkingDatabase(
  pipeline: PipelineDefinition,
  connections: Connections,
  group: string | undefined,
  work: (database: Database) => Promise<void>,
): Promise<readonly ParkedFailure[]> {
  const failed: ParkedFailure[] = [];
  for (const domain of databasesFor(pipeline, connections, group)) {
    try {
      await work(connections.database(domain));
    } catch (error) {
      failed.push({ domain, error: classified(error, 'POSTGRES_UNAVAILABLE', 'the parked records could not be reached') });
    }
  }
  return failed;
}

/** A group that the pipeline does not have (any more) may have left records anywhere. */
function databasesFor(pipeline: PipelineDefinition, connections: Connections, group: string | undefined): readonly string[] {
  const groups = parkingGroups(pipeline, connections);
  const own = group === undefined ? undefined : groups.get(group);
  return own === undefined ? [...new Set([...groups.values(), PLATFORM])] : [own];
}
