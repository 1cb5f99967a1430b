import type { LogReader, PartitionOffsets } from '../../core/log-reader.ts';
import { offset } from '../../core/offset.ts';
import { headerText } from '../../core/record.ts';
import { decodePgoutput, tupleColumns } from '../replication/pgoutput.ts';
import type { Sql } from '../replication/sql-session.ts';

export interface UnconfirmedRows {
  /** Event ids, in commit order. */
  readonly ids: readonly string[];
  /** False when the slot holds more than were looked at. */
  readonly all: boolean;
}

/** Messages of the log that one look goes through at most. */
const CHANGES_MAX = 200_000;

/**
 * The outbox rows that the slot would send to whoever reads from it next. Moves nothing. The slot must not be in use.
 * Rejects with the server's error.
 */
export async function unconfirmedRows(sql: Sql, slot: string, publication: string): Promise<UnconfirmedRows> {
  const { rows } = await sql.query(
    `SELECT data FROM pg_logical_slot_peek_binary_changes($1, NULL, $3, 'proto_version', '1', 'publication_names', $2)`,
    [slot, `"${publication}"`, CHANGES_MAX],
  );
  const ids: string[] = [];
  const idColumns = new Map<number, number>();
  for (const { data } of rows as { data: Buffer }[]) {
    const message = decodePgoutput(data);
    if (message.kind === 'relation')
      idColumns.set(message.oid, message.name === 'outbox' ? message.columns.findIndex(({ name }) => name === 'id') : -1);
    if (message.kind !== 'insert') continue;
    const id = tupleColumns(message.tuple)[idColumns.get(message.relationOid) ?? -1];
    if (id !== undefined && id !== null) ids.push(id.toString('utf8'));
  }
  return { ids, all: rows.length < CHANGES_MAX };
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
  let next = end - depth > earliest ? offset(end - depth) : earliest;
  while (next < end) {
    const slice = await reader.read(partition, next);
    for (const { headers } of slice.records) {
      const id = headerText(headers, 'id');
      if (id !== undefined) yield id;
    }
    next = slice.next;
  }
}
