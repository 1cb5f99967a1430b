import type { ParkedHead, ParkedRecord, ParkedRecords, ParkedSurvey, RecordToPark, Settlement } from '../../core/parked-records.ts';
import { offset } from '../../core/offset.ts';
import type { ConsumedRecord, Header, TopicPartition } from '../../core/record.ts';
import { utf8, utf8Text } from '../../core/record.ts';
import type { Database } from './database.ts';
import { qualified } from './identifiers.ts';
import { parkedInsert, parkedInsertValues } from './parked-insert.ts';

/** A group's parked records in the database that its effects are in, or, for a projection's group, in the platform's. */
export function createParkedRecords(options: { readonly database: Database; readonly group: string }): ParkedRecords {
  return new PostgresParkedRecords(options.database, options.group);
}

/**
 * Puts records of a group at the end of their lanes, due as they say, in one transaction: how a dead letter comes back to its
 * group alone and in the order of its key. One that is there already stays as it is, unless its lane is blocked by it: then it
 * goes on, with fresh attempts. Owners notice within seconds. May be repeated.
 *
 * @returns those that were not waiting before.
 */
export async function enqueueParked(
  database: Database,
  group: string,
  rows: readonly RecordToPark[],
): Promise<readonly (TopicPartition & { readonly offset: bigint })[]> {
  const once = [...new Map(rows.map((row) => [identityOf(row), row])).values()];
  const { domain: schema } = database;
  const found = await database.query<{ topic: string; partition: number; record_offset: bigint }>(
    `WITH enqueued AS (${parkedInsert(schema, REVIVE)} RETURNING topic, partition, record_offset), told AS (${raiseRevision(schema, 'enqueued')})
     SELECT topic, partition, record_offset FROM enqueued`,
    parkedInsertValues(group, 'replay', once),
  );
  return found.map(({ topic, partition, record_offset }) => ({ topic, partition, offset: record_offset }));
}

const REVIVE = `DO UPDATE SET origin = EXCLUDED.origin, header_names = EXCLUDED.header_names, header_values = EXCLUDED.header_values,
  attempt = EXCLUDED.attempt, due_at = EXCLUDED.due_at, blocked_since = NULL
  WHERE parked_records.blocked_since IS NOT NULL`;

/** A statement for a WITH clause: tells the owners of the group ($1) that something changed, when `changed` has rows. */
export function raiseRevision(schema: string, changed: string, discarded = '0'): string {
  const table = qualified(schema, 'parked_revisions');
  return `INSERT INTO ${table} AS r (group_name, revision, discarded) SELECT $1, 1, ${discarded} WHERE EXISTS (SELECT FROM ${changed})
    ON CONFLICT (group_name) DO UPDATE SET revision = r.revision + 1, discarded = r.discarded + EXCLUDED.discarded`;
}

const PARTITIONS_ARE_OURS =
  '(topic, partition) IN (SELECT o.topic, o.partition FROM unnest($2::text[], $3::int[]) AS o (topic, partition))';
const DUE_IN_MS = 'greatest(0, extract(epoch FROM due_at - now()) * 1000)::float8 AS due_in_ms';

interface HeadRow {
  readonly lane: Uint8Array;
  readonly seq: bigint;
  readonly topic: string;
  readonly partition: number;
  readonly due_in_ms: number;
  readonly is_blocked: boolean;
}

interface ParkedRow extends HeadRow {
  readonly record_offset: bigint;
  readonly record_key: Uint8Array | null;
  readonly record_value: Uint8Array | null;
  readonly header_names: readonly Uint8Array[];
  readonly header_values: readonly (Uint8Array | null)[];
  readonly record_timestamp_ms: bigint;
  readonly attempt: number;
  readonly first_failed_at: string | null;
  readonly is_last: boolean;
}

interface SurveyRow {
  readonly records: bigint;
  readonly lanes: bigint;
  readonly oldest_age_ms: number;
  readonly blocked_lanes: bigint;
  readonly blocked_for_ms: number;
  readonly revision: bigint;
  readonly discarded: bigint;
}

class PostgresParkedRecords implements ParkedRecords {
  private readonly database: Database;
  private readonly group: string;
  private readonly statements: ReturnType<typeof statementsFor>;

  constructor(database: Database, group: string) {
    this.database = database;
    this.group = group;
    this.statements = statementsFor(database.domain);
  }

  async heads(partitions: readonly TopicPartition[]): Promise<readonly ParkedHead[]> {
    const rows = await this.database.query<HeadRow>(this.statements.heads, [this.group, ...columnsOf(partitions)]);
    return rows.map((row) => ({
      lane: utf8Text(row.lane),
      seq: row.seq,
      topic: row.topic,
      partition: row.partition,
      dueInMs: row.due_in_ms,
      blocked: row.is_blocked,
    }));
  }

  async read(
    lanes: readonly string[],
    partitions: readonly TopicPartition[],
    limits: { readonly recordsMax: number; readonly bytesMax: number },
  ): Promise<readonly ParkedRecord[]> {
    const rows = await this.database.prepared<ParkedRow>(this.statements.read, [
      this.group,
      ...columnsOf(partitions),
      lanes.map(utf8),
      limits.recordsMax,
      limits.bytesMax,
    ]);
    return rows.map(parkedRecord);
  }

  async park(records: readonly RecordToPark[]): Promise<void> {
    await this.database.prepared(this.statements.park, parkedInsertValues(this.group, 'delivery', records));
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    const finished = settlements.filter(({ kind }) => kind === 'finished').map(({ parked }) => parked);
    const kept = settlements.filter((settlement) => settlement.kind !== 'finished');
    await this.database.prepared(this.statements.settle, [
      this.group,
      finished.map(({ lane }) => utf8(lane)),
      finished.map(({ seq }) => seq.toString()),
      kept.map(({ parked }) => utf8(parked.lane)),
      kept.map(({ parked }) => parked.seq.toString()),
      kept.map(({ parked }) => parked.attempts),
      kept.map(({ attempts }) => attempts),
      kept.map((settlement) => (settlement.kind === 'again' ? settlement.delayMs : 0)),
      kept.map(({ kind }) => kind === 'blocked'),
      kept.map(({ error }) => error.code),
      kept.map(({ error }) => error.message),
      kept.map((settlement) => (settlement.kind === 'again' ? settlement.firstFailedAtMs : null)),
    ]);
  }

  async survey(partitions: readonly TopicPartition[]): Promise<ParkedSurvey> {
    const [row] = await this.database.prepared<SurveyRow>(this.statements.survey, [this.group, ...columnsOf(partitions)]);
    return {
      records: Number(row?.records ?? 0n),
      lanes: Number(row?.lanes ?? 0n),
      oldestAgeMs: row?.oldest_age_ms ?? 0,
      blockedLanes: Number(row?.blocked_lanes ?? 0n),
      blockedForMs: row?.blocked_for_ms ?? 0,
      revision: row?.revision ?? 0n,
      discarded: Number(row?.discarded ?? 0n),
    };
  }
}

/** What its headers weigh, with four bytes for the length of each: not what they take on disk, where they are compressed. */
const HEADER_BYTES = '(octet_length(array_send(header_names)) + octet_length(array_send(header_values)))';

/** $1 is the group; $2 and $3 are the partitions where they matter. Times are the server's: clocks of processes may differ. */
function statementsFor(schema: string) {
  const table = qualified(schema, 'parked_records');
  const revisions = qualified(schema, 'parked_revisions');
  return {
    heads: `SELECT DISTINCT ON (topic, partition, lane) lane, seq, topic, partition, ${DUE_IN_MS}, blocked_since IS NOT NULL AS is_blocked
      FROM ${table} WHERE group_name = $1 AND ${PARTITIONS_ARE_OURS} ORDER BY topic, partition, lane, seq`,
    read: `SELECT p.lane, p.seq, topic, partition, record_offset, record_key, record_value, header_names, header_values,
        record_timestamp_ms, attempt, ${DUE_IN_MS}, blocked_since IS NOT NULL AS is_blocked, first_failed_at, is_last
      FROM unnest($4::bytea[]) AS l (lane) CROSS JOIN LATERAL (
        SELECT * FROM (
          SELECT r.*, row_number() OVER in_order AS place, lead(seq) OVER in_order IS NULL AS is_last,
            sum(coalesce(octet_length(record_key), 0) + coalesce(octet_length(record_value), 0) + header_bytes) OVER in_order AS bytes
          FROM (SELECT *, ${HEADER_BYTES} AS header_bytes FROM ${table} WHERE group_name = $1 AND lane = l.lane AND ${PARTITIONS_ARE_OURS} ORDER BY seq LIMIT $5::int + 1) AS r
          WINDOW in_order AS (ORDER BY seq)
        ) AS counted WHERE place = 1 OR (place <= $5::int AND bytes <= $6::bigint)
      ) AS p ORDER BY p.lane, p.seq`,
    park: parkedInsert(schema, 'DO NOTHING'),
    // An attempt that somebody else has counted meanwhile (a later owner, an operator) is not overwritten.
    settle: `WITH finished AS (
        DELETE FROM ${table} AS p USING unnest($2::bytea[], $3::bigint[]) AS f (lane, seq)
        WHERE p.group_name = $1 AND p.lane = f.lane AND p.seq = f.seq)
      UPDATE ${table} AS p SET attempt = k.attempt, due_at = now() + k.delay_ms * interval '1 millisecond',
        blocked_since = CASE WHEN k.blocked THEN now() END, error_code = k.error_code, error_message = k.error_message,
        first_failed_at = coalesce(p.first_failed_at, to_timestamp(k.first_failed_ms / 1000))
      FROM unnest($4::bytea[], $5::bigint[], $6::int[], $7::int[], $8::float8[], $9::bool[], $10::text[], $11::text[], $12::float8[])
        AS k (lane, seq, was, attempt, delay_ms, blocked, error_code, error_message, first_failed_ms)
      WHERE p.group_name = $1 AND p.lane = k.lane AND p.seq = k.seq AND p.attempt = k.was`,
    survey: `SELECT count(*) AS records, count(DISTINCT lane) AS lanes,
        coalesce(extract(epoch FROM now() - min(parked_at)) * 1000, 0)::float8 AS oldest_age_ms,
        count(DISTINCT lane) FILTER (WHERE blocked_since IS NOT NULL) AS blocked_lanes,
        coalesce(extract(epoch FROM now() - min(blocked_since)) * 1000, 0)::float8 AS blocked_for_ms,
        coalesce((SELECT revision FROM ${revisions} WHERE group_name = $1), 0) AS revision,
        coalesce((SELECT discarded FROM ${revisions} WHERE group_name = $1), 0) AS discarded
      FROM ${table} WHERE group_name = $1 AND ${PARTITIONS_ARE_OURS}`,
  };
}

function columnsOf(partitions: readonly TopicPartition[]): [topics: string[], partitions: number[]] {
  return [partitions.map(({ topic }) => topic), partitions.map(({ partition }) => partition)];
}

function parkedRecord(row: ParkedRow): ParkedRecord {
  return {
    lane: utf8Text(row.lane),
    seq: row.seq,
    record: consumedRecord(row),
    attempts: row.attempt,
    dueInMs: row.due_in_ms,
    blocked: row.is_blocked,
    firstFailedAtMs: row.first_failed_at === null ? undefined : Date.parse(row.first_failed_at),
    isLast: row.is_last,
  };
}

function consumedRecord(row: ParkedRow): ConsumedRecord {
  return {
    topic: row.topic,
    partition: row.partition,
    offset: offset(row.record_offset),
    key: row.record_key,
    value: row.record_value,
    headers: row.header_names.map((name, index): Header => [utf8Text(name), row.header_values[index] ?? null]),
    timestampMs: Number(row.record_timestamp_ms),
  };
}

/** What the constraint parked_records_once compares. */
function identityOf({ record, event }: RecordToPark): string {
  return JSON.stringify([record.topic, record.partition, record.offset.toString(), record.timestampMs, event?.id ?? null]);
}
