import type { Session } from './database.ts';

/** Up to where a slot has confirmed that it captured, or why that cannot be said. */
export type CapturePosition = { readonly confirmedFlushLsn: string } | { readonly unknownBecause: string };

interface SlotRow {
  readonly ours: boolean;
  readonly wal_status: string | null;
  readonly confirmed_flush_lsn: string | null;
}

/** Read by the transaction that relies on it: a position of a moment ago may be that of a slot that is gone. */
export async function capturePosition(session: Session, slot: string): Promise<CapturePosition> {
  const [row] = await session.query<SlotRow>(
    `SELECT plugin = 'pgoutput' AND database = current_database() AS ours, wal_status, confirmed_flush_lsn::text
       FROM pg_replication_slots WHERE slot_name = $1`,
    [slot],
  );
  if (row === undefined) return { unknownBecause: `there is no slot ${slot}` };
  if (!row.ours) return { unknownBecause: `the slot ${slot} belongs to another plugin or database` };
  if (row.wal_status === 'lost') return { unknownBecause: `the slot ${slot} was invalidated` };
  if (row.confirmed_flush_lsn === null) return { unknownBecause: `the slot ${slot} has confirmed nothing` };
  return { confirmedFlushLsn: row.confirmed_flush_lsn };
}
