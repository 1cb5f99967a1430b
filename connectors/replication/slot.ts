import type { Clock } from '../../core/clock.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Lsn } from '../../core/lsn.ts';
import { parseLsn } from '../../core/lsn.ts';
import { OBJECT_IN_USE, sqlState } from './postgres-errors.ts';
import type { Sql } from './sql-session.ts';

/** What the server says of a slot. */
export interface SlotFacts {
  readonly name: string;
  readonly plugin: string | undefined;
  readonly database: string | undefined;
  readonly active: boolean;
  /** Everything that committed before it will not be sent again. */
  readonly confirmedFlushLsn: Lsn | undefined;
  /** WAL from here on is kept for the slot. */
  readonly restartLsn: Lsn | undefined;
  /** The server is to be believed only in `lost`: the WAL that the slot needs is gone. */
  readonly walStatus: string | undefined;
  /** Why the server gave the slot up; from PostgreSQL 16 on. */
  readonly invalidationReason: string | undefined;
  /** It came from the server that this one was a standby of, and was kept up with it; from PostgreSQL 17 on. */
  readonly synced: boolean;
  /** Transactions that were decoded since the slot was made, or since the server crashed. */
  readonly transactionsSent: bigint;
  /** Names the span in which that number only grows: another one after a crash of the server, or when somebody has reset the count. */
  readonly countedSince: string;
  readonly currentLsn: Lsn;
}

/** WAL bytes that the slot has not confirmed; undefined when it cannot be told. */
export function confirmedLagBytes(facts: SlotFacts): bigint | undefined {
  return facts.confirmedFlushLsn === undefined ? undefined : facts.currentLsn - facts.confirmedFlushLsn;
}

/** WAL bytes that the server keeps for the slot; undefined when it cannot be told. */
export function retainedBytes(facts: SlotFacts): bigint | undefined {
  return facts.restartLsn === undefined ? undefined : facts.currentLsn - facts.restartLsn;
}

interface SlotRow {
  readonly plugin: string | null;
  readonly database: string | null;
  readonly active: boolean;
  readonly active_pid: number | null;
  readonly confirmed_flush_lsn: string | null;
  readonly restart_lsn: string | null;
  readonly wal_status: string | null;
  readonly invalidation_reason: string | null;
  readonly synced: boolean;
  readonly total_txns: string;
  readonly counted_since: string;
  readonly current_lsn: string;
}

/** Undefined when there is no such slot on the server, in any database. */
export async function readSlot(sql: Sql, name: string): Promise<SlotFacts | undefined> {
  const row = await readSlotRow(sql, name);
  if (row === undefined) return undefined;
  const position = (text: string | null): Lsn | undefined => (text === null ? undefined : parseLsn(text));
  return {
    name,
    plugin: row.plugin ?? undefined,
    database: row.database ?? undefined,
    active: row.active,
    confirmedFlushLsn: position(row.confirmed_flush_lsn),
    restartLsn: position(row.restart_lsn),
    walStatus: row.wal_status ?? undefined,
    invalidationReason: row.invalidation_reason ?? undefined,
    synced: row.synced,
    transactionsSent: BigInt(row.total_txns),
    countedSince: row.counted_since,
    currentLsn: parseLsn(row.current_lsn),
  };
}

/**
 * Makes the slot; returns what it changed, in words, and nothing the second time. The publication must exist before: the
 * slot looks for it in the catalogue as it was when each transaction committed. Waits for transactions that are open.
 * @throws ClassifiedError SLOT_LOST, or CONFIGURATION_INVALID for a slot of that name that is not ours.
 */
export async function ensureSlot(sql: Sql, name: string): Promise<string[]> {
  const found = await readSlot(sql, name);
  if (found !== undefined) {
    await assertUsable(sql, found);
    return [];
  }
  await sql.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [name]);
  return [`created slot ${name}`];
}

/** @throws ClassifiedError SLOT_LOST, or CONFIGURATION_INVALID when plugin or database are not the expected ones. */
export async function assertUsable(sql: Sql, facts: SlotFacts): Promise<void> {
  await assertOurs(sql, facts);
  if (facts.walStatus === 'lost') throw new ClassifiedError('SLOT_LOST', `the slot ${facts.name} was invalidated`);
}

/** @throws ClassifiedError CONFIGURATION_INVALID when plugin or database are not the expected ones. */
export async function assertOurs(sql: Sql, facts: SlotFacts): Promise<void> {
  const { rows } = await sql.query('SELECT current_database() AS database');
  const { database } = rows[0] as { database: string };
  if (facts.plugin !== 'pgoutput' || facts.database !== database) {
    throw new ClassifiedError('CONFIGURATION_INVALID', `the slot ${facts.name} belongs to another plugin or database`);
  }
}

/**
 * Drops the slot if it exists, ending the stream that holds it. For reset and tests: what the slot had not confirmed is
 * never sent.
 */
export async function dropSlot(sql: Sql, name: string, clock: Clock, timeoutMs = 10_000): Promise<void> {
  const deadline = clock.monotonicMs() + timeoutMs;
  for (;;) {
    const row = await readSlotRow(sql, name);
    if (row === undefined) return;
    if (row.active_pid !== null) await sql.query('SELECT pg_terminate_backend($1)', [row.active_pid]);
    try {
      await sql.query('SELECT pg_drop_replication_slot($1)', [name]);
      return;
    } catch (thrown) {
      // The walsender lets go of its slot a moment after it was told to end.
      if (sqlState(thrown) !== OBJECT_IN_USE || clock.monotonicMs() > deadline) throw thrown;
    }
    await clock.sleep(50);
  }
}

async function readSlotRow(sql: Sql, name: string): Promise<SlotRow | undefined> {
  const { rows } = await sql.query(
    // A column that this version of the server does not have reads as NULL.
    `SELECT plugin, database, active, active_pid, confirmed_flush_lsn::text, restart_lsn::text, wal_status,
            to_jsonb(s) ->> 'invalidation_reason' AS invalidation_reason,
            coalesce((to_jsonb(s) ->> 'synced')::boolean, false) AS synced,
            coalesce(t.total_txns, 0)::text AS total_txns,
            -- A crash takes all counts of the server along, and leaves its moment here.
            concat((SELECT extract(epoch FROM b.stats_reset) FROM pg_stat_bgwriter b), '/', extract(epoch FROM t.stats_reset)) AS counted_since,
            CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text AS current_lsn
       FROM pg_replication_slots s LEFT JOIN pg_stat_replication_slots t USING (slot_name)
      WHERE s.slot_name = $1`,
    [name],
  );
  return rows[0] as SlotRow | undefined;
}
