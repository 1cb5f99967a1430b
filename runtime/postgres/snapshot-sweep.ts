import type { Database } from './database.ts';
import { qualified } from './identifiers.ts';

export interface SnapshotSweepOptions {
  /** A stream without an event for so many days has no snapshot any more. */
  readonly retentionDays: number;
  /** Snapshots that one statement looks at, and statements of one pass. */
  readonly batch: number;
  readonly batches: number;
}

interface Batch {
  readonly seen: number;
  readonly swept: number;
  readonly last_at: string | null;
  readonly last_type: string | null;
  readonly last_id: string | null;
}

/** Where a pass stopped looking; the next one goes on there, so that old snapshots of busy streams are not in its way. */
export interface SnapshotCursor {
  readonly createdAt: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
}

/**
 * Removes snapshots of streams that nobody touched for long. A snapshot is a cache: the stream's next command reads all of
 * its events once. A snapshot that is old because its stream grows slowly stays. Returns how many went, and where to go on:
 * undefined when the end was reached.
 */
export async function sweepSnapshots(
  database: Database,
  domain: string,
  options: SnapshotSweepOptions,
  from: SnapshotCursor | undefined,
  stopping: AbortSignal,
): Promise<{ readonly swept: number; readonly next: SnapshotCursor | undefined }> {
  let swept = 0;
  let next = from;
  for (let batch = 0; batch < options.batches && !stopping.aborted; batch += 1) {
    const found = await sweepBatch(database, domain, options, next);
    swept += found.swept;
    const { last_at: createdAt, last_type: aggregateType, last_id: aggregateId } = found;
    if (found.seen < options.batch || createdAt === null || aggregateType === null || aggregateId === null) {
      return { swept, next: undefined };
    }
    next = { createdAt, aggregateType, aggregateId };
  }
  return { swept, next };
}

async function sweepBatch(
  database: Database,
  domain: string,
  options: SnapshotSweepOptions,
  from: SnapshotCursor | undefined,
): Promise<Batch> {
  const snapshots = qualified(domain, 'snapshots');
  const [found] = await database.query<Batch>(
    `WITH looked AS (
       SELECT aggregate_type, aggregate_id, created_at FROM ${snapshots}
        WHERE created_at < now() - make_interval(days => $1)
          AND (created_at, aggregate_type, aggregate_id) > (coalesce($2::timestamptz, '-infinity'), $3::varchar, $4::varchar)
        ORDER BY created_at, aggregate_type, aggregate_id LIMIT $5 FOR UPDATE SKIP LOCKED
     ), swept AS (
       DELETE FROM ${snapshots} s USING looked
        WHERE s.aggregate_type = looked.aggregate_type AND s.aggregate_id = looked.aggregate_id
          AND now() - make_interval(days => $1) > coalesce((
            SELECT created_at FROM ${qualified(domain, 'events')} e
             WHERE e.aggregate_type = s.aggregate_type AND e.aggregate_id = s.aggregate_id
             ORDER BY sequence_number DESC LIMIT 1), '-infinity')
       RETURNING 1
     ), last AS (SELECT * FROM looked ORDER BY created_at DESC, aggregate_type DESC, aggregate_id DESC LIMIT 1)
     SELECT (SELECT count(*)::int FROM looked) AS seen, (SELECT count(*)::int FROM swept) AS swept,
            last.created_at AS last_at, last.aggregate_type AS last_type, last.aggregate_id AS last_id
       FROM (VALUES (1)) AS always LEFT JOIN last ON true`,
    [options.retentionDays, from?.createdAt ?? null, from?.aggregateType ?? '', from?.aggregateId ?? '', options.batch],
  );
  return found ?? { seen: 0, swept: 0, last_at: null, last_type: null, last_id: null };
}
