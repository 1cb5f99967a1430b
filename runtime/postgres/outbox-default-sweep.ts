import type { Database, Session } from './database.ts';
import { qualified } from './identifiers.ts';
import { capturePosition } from './outbox-capture-position.ts';

export interface DefaultSweepOptions {
  readonly slot: string;
  readonly retentionDays: number;
  /** Why rows must stay although the slot may have confirmed them; undefined when the capture is sound. */
  readonly keptBecause: () => string | undefined;
  /** Rows that one transaction deletes, and transactions of one pass. */
  readonly batch: number;
  readonly batches: number;
}

const DEFAULT_PARTITION = 'outbox_default';

/**
 * Deletes the default partition's rows that are older than the retention and were captured, and returns how many. The
 * partition goes on to take rows, so it is not sealed: its barrier is a transaction horizon and a position in the log behind
 * every transaction below it. A pass notes the barrier; a later one, when the slot has confirmed it, deletes.
 */
export async function sweepOutboxDefault(
  database: Database,
  domain: string,
  options: DefaultSweepOptions,
  stopping: AbortSignal,
): Promise<number> {
  if (!(await holdsOldRows(database, domain, options))) return 0;
  if (await noteBarrierIfMissing(database, domain)) return 0;
  let deleted = 0;
  for (let batch = 0; batch < options.batches && !stopping.aborted; batch += 1) {
    const gone = await database.transaction((session) => deleteBatch(session, domain, options));
    if (gone === undefined) return deleted;
    deleted += gone;
    if (gone === options.batch) continue;
    // What is left is younger than the barrier.
    await database.execute(`DELETE FROM ${qualified(domain, 'outbox_barriers')} WHERE partition = $1`, [DEFAULT_PARTITION]);
    break;
  }
  return deleted;
}

async function holdsOldRows(session: Session, domain: string, { retentionDays }: DefaultSweepOptions): Promise<boolean> {
  const [row] = await session.query<{ old: boolean }>(
    `SELECT EXISTS (SELECT 1 FROM ${qualified(domain, DEFAULT_PARTITION)} WHERE created_at < now() - make_interval(days => $1)) AS old`,
    [retentionDays],
  );
  return row?.old === true;
}

/** True when it was missing. */
async function noteBarrierIfMissing(database: Database, domain: string): Promise<boolean> {
  const barriers = qualified(domain, 'outbox_barriers');
  return database.transaction(async (session) => {
    // Every transaction below the horizon has ended, those that wrote in savepoints included.
    const [now] = await session.query<{ horizon: string }>('SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon');
    // A statement of its own: the position is read after the horizon, so their commits lie before it.
    const noted = await session.execute(
      `INSERT INTO ${barriers} AS b (partition, system_identifier, barrier_lsn, horizon)
       SELECT $1, system_identifier, pg_current_wal_insert_lsn(), $2::xid8 FROM pg_control_system()
       ON CONFLICT (partition) DO UPDATE SET system_identifier = EXCLUDED.system_identifier, barrier_lsn = EXCLUDED.barrier_lsn,
         horizon = EXCLUDED.horizon, noted_at = now() WHERE b.system_identifier <> EXCLUDED.system_identifier`,
      [DEFAULT_PARTITION, now?.horizon],
    );
    return noted > 0;
  });
}

/**
 * Undefined when nothing may be deleted now. A row tells only 32 bits of its transaction's number; the missing ones are taken
 * so that the transaction is the latest one possible, which at worst keeps a row for another pass.
 */
async function deleteBatch(session: Session, domain: string, options: DefaultSweepOptions): Promise<number | undefined> {
  if (options.keptBecause() !== undefined) return undefined;
  const position = await capturePosition(session, options.slot);
  if ('unknownBecause' in position) return undefined;
  const [barrier] = await session.query<{ horizon: string }>(
    `SELECT horizon::text FROM ${qualified(domain, 'outbox_barriers')}
      WHERE partition = $1 AND barrier_lsn <= $2::pg_lsn
        AND system_identifier = (SELECT system_identifier FROM pg_control_system())`,
    [DEFAULT_PARTITION, position.confirmedFlushLsn],
  );
  if (barrier === undefined) return undefined;
  await session.execute(`SET LOCAL millrace.outbox_sweep = 'on'`);
  const table = qualified(domain, DEFAULT_PARTITION);
  return session.execute(
    `WITH latest AS (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid), old AS (
       SELECT ctid FROM ${table}, latest
        WHERE created_at < now() - make_interval(days => $1)
          AND (latest.xid - ((latest.xid - ${table}.xmin::text::bigint) & 4294967295)) < $2::bigint
        LIMIT $3 FOR UPDATE OF ${DEFAULT_PARTITION} SKIP LOCKED)
     DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM old))`,
    [options.retentionDays, barrier.horizon, options.batch],
  );
}
