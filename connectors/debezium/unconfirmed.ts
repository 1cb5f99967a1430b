import type { LogReader, PartitionOffsets } from '../../core/log-reader.ts';
import { offset } from '../../core/offset.ts';
import { headerText } from '../../core/record.ts';
import { slicesUpTo } from '../../core/whole-log.ts';
import { decodePgoutput, tupleColumns } from '../replication/pgoutput.ts';
import { OUTBOX_MESSAGE_PREFIX } from '../replication/source.ts';
import { confirmedLagBytes, readSlot } from '../replication/slot.ts';
import type { Sql } from '../replication/sql-session.ts';

/** Rows are held a fetch at a time: at the outbox's limit of 900,000 bytes a payload, some 45 MB. */
const FETCH_ROWS = 50;
/** The server writes what a look goes through to its disk: more log than this is not looked at. */
const LOG_BYTES_MAX = 1024n * 1024n * 1024n;

/**
 * Whether what waits in the slot is little enough to be looked at: the log behind it, whosever changes are in it.
 */
export async function fewUnconfirmed(sql: Sql, slot: string, logBytesMax = LOG_BYTES_MAX): Promise<boolean> {
  const facts = await readSlot(sql, slot);
  const lag = facts === undefined ? undefined : confirmedLagBytes(facts);
  return lag !== undefined && lag <= logBytesMax;
}

/**
 * Event ids of the outbox rows that the slot would send to whoever reads from it next, in commit order, some at a time. Moves
 * nothing. The slot must not be in use, and the session must have no limit for a statement: the server decodes everything
 * before it answers. To be asked only after `fewUnconfirmed`. Ends the session's transaction, also when it is left early. Rejects with the server's error.
 */
export async function* unconfirmedIds(sql: Sql, slot: string, publication: string): AsyncGenerator<string[]> {
  await sql.query('BEGIN READ ONLY');
  try {
    // Only relations (R) and inserts (I) hold what is asked for. One answer would be the whole of a transaction, however huge.
    await sql.query(
      `DECLARE unconfirmed NO SCROLL CURSOR FOR
       SELECT data FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $2)
        WHERE get_byte(data, 0) IN (${MESSAGE_RELATION}, ${MESSAGE_INSERT})`,
      [slot, `"${publication}"`],
    );
    const idColumns = new Map<number, number>();
    for (;;) {
      const { rows } = await sql.query(`FETCH ${FETCH_ROWS} FROM unconfirmed`);
      if (rows.length === 0) return;
      yield (rows as { data: Buffer }[]).flatMap(({ data }) => idIn(data, idColumns) ?? []);
    }
  } finally {
    await sql.query('ROLLBACK').catch(() => undefined); // of a lost session nothing is left
  }
}

/**
 * How many events without a table the slot would send to whoever reads from it next. Moves nothing; otherwise as `unconfirmedIds`.
 */
export async function countUnconfirmedMessages(sql: Sql, slot: string, publication: string): Promise<number> {
  // After kind (1 byte), flags (1) and position (8) comes the prefix, ended by a zero byte.
  const { rows } = await sql.query(
    `SELECT count(*)::int AS waiting
       FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $2, 'messages', 'true')
      WHERE get_byte(data, 0) = ${MESSAGE_LOGICAL} AND substring(data FROM 11 FOR length($3::bytea)) = $3::bytea`,
    [slot, `"${publication}"`, Buffer.from(`${OUTBOX_MESSAGE_PREFIX}\0`)],
  );
  return (rows[0] as { waiting: number }).waiting;
}

const MESSAGE_LOGICAL = 0x4d;
const MESSAGE_RELATION = 0x52;
const MESSAGE_INSERT = 0x49;

/** Remembers which column a relation names `id`. */
function idIn(data: Buffer, idColumns: Map<number, number>): string | undefined {
  const message = decodePgoutput(data);
  if (message.kind === 'relation')
    idColumns.set(message.oid, message.name === 'outbox' ? message.columns.findIndex(({ name }) => name === 'id') : -1);
  if (message.kind !== 'insert') return undefined;
  return tupleColumns(message.tuple)[idColumns.get(message.relationOid) ?? -1]?.toString('utf8');
}

/**
 * How many of these events are in the topics already, and so will be there twice. One domain's topics have one writer: what it
 * wrote of them is among as many last records of each partition. Rejects with KAFKA_UNAVAILABLE.
 */
export async function countPublished(reader: LogReader, topics: readonly string[], ids: ReadonlySet<string>): Promise<number> {
  if (ids.size === 0) return 0;
  const found = new Set<string>();
  const { topics: described } = await reader.describe(topics);
  for (const { partitions } of described) {
    for (const partition of partitions) for await (const id of tailOf(reader, partition, BigInt(ids.size))) if (ids.has(id)) found.add(id);
  }
  return found.size;
}

async function* tailOf(reader: LogReader, partition: PartitionOffsets, depth: bigint): AsyncGenerator<string> {
  const { earliest, end } = partition;
  const from = end - depth > earliest ? offset(end - depth) : earliest;
  for await (const { records } of slicesUpTo(reader, partition, from, end)) {
    for (const { headers } of records) {
      const id = headerText(headers, 'id');
      if (id !== undefined) yield id;
    }
  }
}
