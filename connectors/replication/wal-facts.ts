import type { SlotWal } from './wal-budget.ts';
import type { Sql } from './sql-session.ts';

/** A slot of the server, whoever made it. */
export interface ServerSlot {
  readonly name: string;
  readonly kind: 'logical' | 'physical';
  /** Undefined for a physical slot. */
  readonly database: string | undefined;
  readonly active: boolean;
  readonly temporary: boolean;
  readonly walStatus: string | undefined;
  readonly invalidatedBecause: string | undefined;
  readonly retainedBytes: number | undefined;
  readonly confirmedLagBytes: number | undefined;
  /** WAL that may still be written before the slot can be lost; undefined without a limit. */
  readonly safeBytes: number | undefined;
  readonly catalogXminAge: number | undefined;
}

/**
 * What keeps `restart_lsn` back, and with it the log of every slot: the oldest transaction that has a number, prepared or in a
 * session. What it runs is not asked: the text of a query may hold data.
 */
export interface WalPin {
  readonly kind: 'transaction' | 'prepared transaction';
  readonly ageSeconds: number;
  readonly database: string | undefined;
  readonly user: string | undefined;
  /** Of a session. */
  readonly pid: number | undefined;
  readonly application: string | undefined;
  readonly state: string | undefined;
  /** Of a prepared transaction: what `ROLLBACK PREPARED` takes. */
  readonly gid: string | undefined;
}

export interface ServerWal {
  readonly database: string;
  /** `max_slot_wal_keep_size`; undefined when it is unlimited. */
  readonly limitBytes: number | undefined;
  readonly freezeMaxAge: number;
  readonly slots: readonly ServerSlot[];
  /** Oldest first, at most three of a kind. */
  readonly pins: readonly WalPin[];
  /** False: other users' transactions are hidden from this role, which lacks `pg_read_all_stats`. */
  readonly seesTransactions: boolean;
  /** Roles that may read the log and are no superusers. */
  readonly replicationRoles: readonly string[];
}

interface FactsRow {
  readonly database: string;
  readonly limit_mb: number;
  readonly freeze_max_age: number;
  readonly sees_transactions: boolean;
  readonly slots: readonly Nullable<ServerSlot>[];
  readonly pins: readonly Nullable<WalPin>[];
  readonly replication_roles: readonly string[];
}

type Nullable<T> = { readonly [K in keyof T]: T[K] | null };

const MEBIBYTE = 1_048_576;

/**
 * One look at a server's slots and at what pins its log, in one statement. Works with the rights of the capture role; only the
 * sessions that pin need `pg_read_all_stats`. Columns that a server is too old for are missing and not an error.
 */
export async function readServerWal(sql: Sql): Promise<ServerWal> {
  const { rows } = await sql.query(FACTS);
  const row = rows[0] as FactsRow;
  return {
    database: row.database,
    limitBytes: row.limit_mb < 0 ? undefined : row.limit_mb * MEBIBYTE,
    freezeMaxAge: row.freeze_max_age,
    slots: row.slots.map((slot) => withoutNulls<ServerSlot>(slot)),
    pins: row.pins.map((pin) => withoutNulls<WalPin>(pin)),
    seesTransactions: row.sees_transactions,
    replicationRoles: row.replication_roles,
  };
}

/** What decides about the stage of one slot. */
export function slotWal(server: ServerWal, name: string): SlotWal {
  const slot = server.slots.find((each) => each.name === name);
  return {
    exists: slot !== undefined,
    walStatus: slot?.walStatus,
    invalidatedBecause: slot?.invalidatedBecause,
    retainedBytes: slot?.retainedBytes,
    safeBytes: slot?.safeBytes,
    limitBytes: server.limitBytes,
    catalogXminAge: slot?.catalogXminAge,
    freezeMaxAge: server.freezeMaxAge,
  };
}

function withoutNulls<T extends object>(row: Nullable<T>): T {
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, value ?? undefined])) as T;
}

const FACTS = `
WITH here AS (
  SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn
), slots AS (
  SELECT coalesce(jsonb_agg(jsonb_build_object(
           'name', s.slot_name, 'kind', s.slot_type, 'database', s.database, 'active', s.active, 'temporary', s.temporary,
           'walStatus', s.wal_status, 'invalidatedBecause', to_jsonb(s) ->> 'invalidation_reason',
           'retainedBytes', here.lsn - s.restart_lsn, 'confirmedLagBytes', here.lsn - s.confirmed_flush_lsn,
           'safeBytes', s.safe_wal_size, 'catalogXminAge', age(s.catalog_xmin)) ORDER BY s.restart_lsn, s.slot_name), '[]') AS list
    FROM pg_replication_slots s, here
), sessions AS (
  SELECT * FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY age(backend_xid) DESC LIMIT 3
), prepared AS (
  SELECT * FROM pg_prepared_xacts ORDER BY age(transaction) DESC LIMIT 3
), pins AS (
  SELECT extract(epoch FROM clock_timestamp() - xact_start)::int AS age, age(backend_xid) AS xids, jsonb_build_object(
           'kind', 'transaction', 'ageSeconds', coalesce(extract(epoch FROM clock_timestamp() - xact_start)::int, 0),
           'database', datname, 'user', usename, 'pid', pid, 'application', application_name, 'state', state) AS pin
    FROM sessions
  UNION ALL
  SELECT extract(epoch FROM clock_timestamp() - prepared)::int, age(transaction), jsonb_build_object(
           'kind', 'prepared transaction', 'ageSeconds', extract(epoch FROM clock_timestamp() - prepared)::int,
           'database', database, 'user', owner, 'gid', gid)
    FROM prepared
)
SELECT current_database() AS database,
       (SELECT setting::int FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS limit_mb,
       (SELECT setting::int FROM pg_settings WHERE name = 'autovacuum_freeze_max_age') AS freeze_max_age,
       pg_has_role('pg_read_all_stats', 'USAGE') AS sees_transactions,
       (SELECT list FROM slots) AS slots,
       (SELECT coalesce(jsonb_agg(pin ORDER BY xids DESC), '[]') FROM pins) AS pins,
       (SELECT coalesce(jsonb_agg(rolname ORDER BY rolname), '[]') FROM pg_roles WHERE rolreplication AND NOT rolsuper) AS replication_roles`;
