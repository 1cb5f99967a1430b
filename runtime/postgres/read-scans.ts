import type { Database } from './database.ts';

/** A scan as the write side knows it. Times are ISO 8601, UTC. */
export interface ScanRow {
  readonly scan_id: string;
  readonly user_id: string;
  readonly image_id: string | null;
  readonly status: 'requested' | 'completed' | 'failed';
  readonly category: string | null;
  readonly confidence: number | null;
  readonly reward_eligible: boolean;
  readonly reward_status: 'pending' | 'granted' | 'none' | 'failed' | null;
  readonly failure_reason: string | null;
  readonly completed_at: string | null;
}

export interface ScanRowsFilter {
  readonly from?: string | undefined;
  readonly before?: string | undefined;
  readonly category?: string | undefined;
  readonly after?: { readonly completedAt: string; readonly scanId: string } | undefined;
  readonly limit: number;
}

const COLUMNS = `scan_id, user_id, image_id, status, category, confidence, coalesce(reward_eligible, false) AS reward_eligible,
  reward_status, failure_reason, completed_at`;

/** Rejects with POSTGRES_UNAVAILABLE. */
export async function readScan(database: Database, userId: string, scanId: string): Promise<ScanRow | undefined> {
  const rows = await database.query<ScanRow>(`SELECT ${COLUMNS} FROM scan.scan_records WHERE scan_id = $1 AND user_id = $2`, [
    scanId,
    userId,
  ]);
  return rows[0];
}

/** By the index `scan_records_history`: what does not depend on the session's time zone can be in one. */
const completedAt = (at: string): string => `date_trunc('milliseconds', ${at} AT TIME ZONE 'UTC')`;

/**
 * The user's finished scans, the newest first to the millisecond, equal ones by scan id descending: the order that the
 * read model has, so that a page of one goes on in the other. One row more than `limit` says that more follow.
 */
export async function readScans(database: Database, userId: string, filter: ScanRowsFilter): Promise<readonly ScanRow[]> {
  return database.query<ScanRow>(
    `SELECT ${COLUMNS} FROM scan.scan_records
      WHERE user_id = $1 AND status IN ('completed', 'failed') AND completed_at IS NOT NULL
        AND ($2::timestamptz IS NULL OR completed_at >= $2)
        AND ($3::timestamptz IS NULL OR completed_at < $3)
        AND ($4::text IS NULL OR category = $4)
        AND ($5::timestamptz IS NULL
             OR (${completedAt('completed_at')}, scan_id) < (${completedAt('$5::timestamptz')}, $6::varchar))
      ORDER BY ${completedAt('completed_at')} DESC, scan_id DESC
      LIMIT $7`,
    [
      userId,
      filter.from ?? null,
      filter.before ?? null,
      filter.category ?? null,
      filter.after?.completedAt ?? null,
      filter.after?.scanId ?? null,
      filter.limit + 1,
    ],
  );
}

/** A classification that was asked for by itself. Times are ISO 8601, UTC. */
export interface ScanTaskRow {
  readonly task_id: string;
  readonly scan_id: string;
  readonly status: 'requested' | 'completed' | 'failed';
  readonly created_at: string;
}

/** Rejects with POSTGRES_UNAVAILABLE. */
export async function readScanTask(database: Database, userId: string, taskId: string): Promise<ScanTaskRow | undefined> {
  const rows = await database.query<ScanTaskRow>(
    'SELECT task_id, scan_id, status, created_at FROM scan.scan_tasks WHERE task_id = $1 AND user_id = $2',
    [taskId, userId],
  );
  return rows[0];
}

/** How many of the user's scans ended since each of these times. Rejects with POSTGRES_UNAVAILABLE. */
export async function countScans(
  database: Database,
  userId: string,
  since: { readonly today: string; readonly week: string; readonly month: string },
): Promise<{ readonly today: number; readonly week: number; readonly month: number }> {
  const [counts] = await database.query<{ today: number; week: number; month: number }>(
    `SELECT count(*) FILTER (WHERE completed_at >= $2)::int AS today, count(*) FILTER (WHERE completed_at >= $3)::int AS week,
            count(*) FILTER (WHERE completed_at >= $4)::int AS month
       FROM scan.scan_records
      WHERE user_id = $1 AND status IN ('completed', 'failed') AND completed_at >= least($2::timestamptz, $3::timestamptz, $4::timestamptz)`,
    [userId, since.today, since.week, since.month],
  );
  return counts ?? { today: 0, week: 0, month: 0 };
}
