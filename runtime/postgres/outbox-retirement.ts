import { ClassifiedError } from '../../core/errors.ts';
import type { Database, Session } from './database.ts';
import { qualified } from './identifiers.ts';
import { capturePosition } from './outbox-capture-position.ts';
import { partitionsLock } from './outbox-partitions.ts';

export interface RetirementOptions {
  /** The domain's capture: without it, or when it is lost, nothing is dropped. */
  readonly slot: string;
  /** Days that rows are kept whatever the slot says, by the server's clock. */
  readonly retentionDays: number;
  /** Why rows must stay although the slot may have confirmed them (the capture stands in a gap); undefined when it is sound. */
  readonly keptBecause: () => string | undefined;
  /** Partitions that one pass looks at. */
  readonly partitionsMax: number;
}

export interface RetirementReport {
  /** Old partitions that got their barrier; a later pass drops them. */
  readonly sealed: readonly string[];
  readonly dropped: readonly string[];
  /** Old partitions that stay for now, and why. */
  readonly kept: readonly { readonly name: string; readonly reason: string }[];
}

/**
 * A lock on the outbox makes writers wait behind it, so the drop asks for it briefly and comes again at the next pass. The
 * one on a partition of long ago stands in nobody's way.
 */
const OUTBOX_LOCK_TIMEOUT = '250ms';
const PARTITION_LOCK_TIMEOUT = '2s';

/**
 * Drops the outbox's partitions that are older than the retention and of which every row was captured, in two steps, each
 * a short transaction of its own:
 *
 * - **Seal.** Under a lock that no writer of the partition shares, note the end of the log as the partition's barrier: all its
 *   rows committed before. A trigger takes the barrier away with any row that comes later (see the migration).
 * - **Drop.** Under the exclusive lock, when the barrier is still there and the slot has confirmed it. The partition leaves
 *   the outbox and the disk at once, so that a repair sees either all of it or needs none of it.
 *
 * Any number of replicas may do this at once. A pass that is cut off leaves a sealed partition or an unsealed one.
 */
export async function retireOutboxPartitions(database: Database, domain: string, options: RetirementOptions): Promise<RetirementReport> {
  const sealed: string[] = [];
  const dropped: string[] = [];
  const kept: { name: string; reason: string }[] = [];
  for (const name of await oldPartitions(database, domain, options)) {
    const outcome = await retire(database, domain, name, options);
    if (outcome === 'sealed') sealed.push(name);
    else if (outcome === 'dropped') dropped.push(name);
    else if (outcome !== 'gone') kept.push({ name, reason: outcome.reason });
  }
  return { sealed, dropped, kept };
}

type Outcome = 'sealed' | 'dropped' | 'gone' | { readonly reason: string };

async function retire(database: Database, domain: string, name: string, options: RetirementOptions): Promise<Outcome> {
  try {
    const barrier = await readBarrier(database, domain, name);
    return barrier === undefined ? await seal(database, domain, name) : await drop(database, domain, name, options);
  } catch (error) {
    // One that cannot go (somebody built a view on it) must not keep the others.
    if (!(error instanceof ClassifiedError) || error.code === 'POSTGRES_UNAVAILABLE') throw error;
    return { reason: error.code === 'POSTGRES_SERIALIZATION' ? 'it is in use; the next pass tries again' : error.message };
  }
}

/** Oldest first. The bounds say how old a partition is, not its name: somebody may have attached one by hand. */
async function oldPartitions(session: Session, domain: string, options: RetirementOptions): Promise<readonly string[]> {
  const rows = await session.query<{ name: string }>(
    `SELECT name FROM (${PARTITIONS}) AS partitions
      WHERE ends_at <= now() - make_interval(days => $2) ORDER BY ends_at LIMIT $3`,
    [qualified(domain, 'outbox'), options.retentionDays, options.partitionsMax],
  );
  return rows.map((row) => row.name);
}

/** `$1` is the outbox. The default partition has no bounds, and so no row here. */
const PARTITIONS = `
  SELECT c.relname AS name, (substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \\(''([^'']+)''\\)'))::timestamptz AS ends_at
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
   WHERE i.inhparent = to_regclass($1) AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = i.inhparent)`;

async function readBarrier(session: Session, domain: string, name: string): Promise<string | undefined> {
  const [row] = await session.query<{ barrier_lsn: string }>(
    `SELECT barrier_lsn::text FROM ${qualified(domain, 'outbox_barriers')}
      WHERE partition = $1 AND system_identifier = (SELECT system_identifier FROM pg_control_system())`,
    [name],
  );
  return row?.barrier_lsn;
}

async function seal(database: Database, domain: string, name: string): Promise<Outcome> {
  const partition = qualified(domain, name);
  return database.transaction(async (session) => {
    if (!(await partitionsLock(session, domain))) return BUSY;
    await session.execute(`SET LOCAL lock_timeout = '${PARTITION_LOCK_TIMEOUT}'`);
    if (!(await isThere(session, domain, name))) return 'gone';
    // Waits for the transactions that wrote here, and holds back others until the trigger is there.
    await session.execute(`LOCK TABLE ONLY ${partition} IN SHARE ROW EXCLUSIVE MODE`);
    await session.execute(
      `CREATE OR REPLACE TRIGGER outbox_late_row AFTER INSERT ON ${partition}
         FOR EACH ROW EXECUTE FUNCTION ${qualified(domain, 'outbox_late_row')}()`,
    );
    // A statement of its own: the position is read after the lock was granted, so every commit here lies before it.
    await session.execute(
      `INSERT INTO ${qualified(domain, 'outbox_barriers')} AS b (partition, system_identifier, barrier_lsn)
       SELECT $1, system_identifier, pg_current_wal_insert_lsn() FROM pg_control_system()
       ON CONFLICT (partition) DO UPDATE SET system_identifier = EXCLUDED.system_identifier,
         barrier_lsn = EXCLUDED.barrier_lsn, noted_at = now()`,
      [name],
    );
    return 'sealed';
  });
}

async function drop(database: Database, domain: string, name: string, options: RetirementOptions): Promise<Outcome> {
  // Most passes end here, without having asked for a lock.
  const early = await unproven(database, domain, name, options);
  if (early !== undefined) return { reason: early };
  return database.transaction(async (session) => {
    if (!(await partitionsLock(session, domain))) return BUSY;
    await session.execute(`SET LOCAL lock_timeout = '${OUTBOX_LOCK_TIMEOUT}'`);
    // In the order in which writers take them. From here on no row can come.
    await session.execute(`LOCK TABLE ONLY ${qualified(domain, 'outbox')} IN ACCESS EXCLUSIVE MODE`);
    if (!(await isThere(session, domain, name))) return 'gone';
    await session.execute(`LOCK TABLE ONLY ${qualified(domain, name)} IN ACCESS EXCLUSIVE MODE`);
    const reason = await unproven(session, domain, name, options);
    if (reason !== undefined) return { reason };
    await session.execute(`DROP TABLE ${qualified(domain, name)}`);
    await session.execute(`DELETE FROM ${qualified(domain, 'outbox_barriers')} WHERE partition = $1`, [name]);
    return 'dropped';
  });
}

const BUSY: Outcome = { reason: 'another process takes care of the outbox now' };

/** Why it is not proven that every row was captured; undefined when it is. */
async function unproven(session: Session, domain: string, name: string, options: RetirementOptions): Promise<string | undefined> {
  const { slot } = options;
  const keptBecause = options.keptBecause();
  if (keptBecause !== undefined) return keptBecause;
  const position = await capturePosition(session, slot);
  if ('unknownBecause' in position) return position.unknownBecause;
  const barrier = await readBarrier(session, domain, name);
  if (barrier === undefined) return 'a row came late; it is sealed again';
  const [row] = await session.query<{ confirmed: boolean }>('SELECT $1::pg_lsn >= $2::pg_lsn AS confirmed', [
    position.confirmedFlushLsn,
    barrier,
  ]);
  return row?.confirmed === true ? undefined : `the slot ${slot} has not confirmed it yet`;
}

async function isThere(session: Session, domain: string, name: string): Promise<boolean> {
  const rows = await session.query(`SELECT 1 FROM (${PARTITIONS}) AS partitions WHERE name = $2`, [qualified(domain, 'outbox'), name]);
  return rows.length > 0;
}
