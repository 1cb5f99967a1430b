import type { Database } from '../postgres/database.ts';

/** Rows of one statement, and statements of one sweep: it never becomes a long transaction. */
const BATCH = 1_000;
const BATCHES_MAX = 100;

/**
 * Removes what was written to the audit of dead letters and parked records longer ago than the retention (at least 30 days), and
 * returns how many rows. What is left is removed by the next sweep. Rejects with POSTGRES_UNAVAILABLE.
 */
export async function sweepAudit(platform: Database, retentionDays: number, signal: AbortSignal): Promise<number> {
  let swept = 0;
  for (let batch = 0; batch < BATCHES_MAX && !signal.aborted; batch += 1) {
    const [row] = await platform.query<{ rows: bigint }>('SELECT millrace.sweep_dead_letter_audit($1, $2) AS rows', [retentionDays, BATCH]);
    const rows = Number(row?.rows ?? 0n);
    swept += rows;
    if (rows < BATCH) break;
  }
  return swept;
}
