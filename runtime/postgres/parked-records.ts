import type { ParkedHead, ParkedRecord, ParkedRecords, ParkedSurvey, RecordToPark, Settlement } from '../../core/parked-records.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { TopicPartition } from '../../core/record.ts';
import { utf8, utf8Text } from '../../core/record.ts';
import { PostgresFault } from './classify-postgres-error.ts';
import type { Database } from './database.ts';
import { qualified } from './identifiers.ts';
import { parkedInsert, parkedInsertValues } from './parked-insert.ts';
import type { RecordRow } from './parked-row.ts';
import { RECORD_COLUMNS, recordOf } from './parked-row.ts';

/** A group's parked records in the database that its effects are in, or, for a projection's group, in the platform's. */
export function createParkedRecords(options: { readonly database: Database; readonly group: string }): ParkedRecords {
  return new PostgresParkedRecords(options.database, options.group);
}

/**
 * Puts records of a group at the end of their lanes, due as they say, in one transaction: how a dead letter comes back to its
 * group alone and in the order of its key. One that is there already goes on in its place, as given here, whether or not its
 * lane is blocked by it; an owner that is about to take it for given up, because its letter is durable, finds that it was given
 * back. Owners notice within seconds. May be repeated.
 */
export async function enqueueParked(database: Database, group: string, rows: readonly RecordToPark[]): Promise<void> {
  const once = [...new Map(rows.map((row) => [identityOf(row), row])).values()];
  const { domain: schema } = database;
  await database.execute(
    `WITH enqueued AS (${parkedInsert(schema, GIVE_BACK)} RETURNING 1) ${raiseRevision(schema, 'enqueued')}`,
    parkedInsertValues(group, 'replay', once),
  );
}

const GIVE_BACK = `DO UPDATE SET origin = EXCLUDED.origin, header_names = EXCLUDED.header_names, header_values = EXCLUDED.header_values,
  attempt = EXCLUDED.attempt, due_at = EXCLUDED.due_at, blocked_since = NULL, given = parked_records.given + 1`;

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

interface ParkedRow extends HeadRow, RecordRow {
  readonly attempt: number;
  readonly first_failed_at: string | null;
  readonly given: number;
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
    await orRefused(this.database.prepared(this.statements.park, parkedInsertValues(this.group, 'delivery', records)));
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    const over = settlements.filter(({ kind }) => kind === 'finished' || kind === 'buried');
    const kept = settlements.filter((settlement) => settlement.kind === 'again' || settlement.kind === 'blocked');
    const values = [
      this.group,
      over.map(({ parked }) => utf8(parked.lane)),
      over.map(({ parked }) => parked.seq.toString()),
      over.map(({ kind, parked }) => (kind === 'buried' ? parked.given : null)),
      kept.map(({ parked }) => utf8(parked.lane)),
      kept.map(({ parked }) => parked.seq.toString()),
      kept.map(({ parked }) => parked.attempts),
      kept.map(({ attempts }) => attempts),
      kept.map((settlement) => (settlement.kind === 'again' ? settlement.delayMs : 0)),
      kept.map(({ kind }) => kind === 'blocked'),
      kept.map(({ error }) => error.code),
      kept.map(({ error }) => error.message),
      kept.map((settlement) => (settlement.kind === 'again' ? settlement.firstFailedAtMs : null)),
      kept.map(({ kind, parked }) => (kind === 'blocked' ? parked.given : null)),
    ];
    await orRefused(this.database.prepared(this.statements.settle, values));
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

/** Classes of SQLSTATE that are about what a row holds: not about the statement, its rights or the server. */
const ABOUT_ROWS = new Set(['22', '23', '44', '54', 'P0']);

async function orRefused<T>(write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (error) {
    const fault = error instanceof ClassifiedError ? error.cause : undefined;
    if (!(fault instanceof PostgresFault) || !ABOUT_ROWS.has(fault.sqlState.slice(0, 2))) throw error;
    throw new ClassifiedError('PARKING_REFUSED', `PostgreSQL refuses to keep the record (${fault.message})`, { cause: error });
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
    read: `SELECT p.lane, p.seq, topic, partition, record_offset, ${RECORD_COLUMNS}, attempt, ${DUE_IN_MS}, blocked_since IS NOT NULL AS is_blocked, first_failed_at, given, is_last
      FROM unnest($4::bytea[]) AS l (lane) CROSS JOIN LATERAL (
        SELECT * FROM (
          SELECT r.*, row_number() OVER in_order AS place, lead(seq) OVER in_order IS NULL AS is_last,
            sum(coalesce(octet_length(record_key), 0) + coalesce(octet_length(record_value), 0) + header_bytes) OVER in_order AS bytes
          FROM (SELECT *, ${HEADER_BYTES} AS header_bytes FROM ${table} WHERE group_name = $1 AND lane = l.lane AND ${PARTITIONS_ARE_OURS} ORDER BY seq LIMIT $5::int + 1) AS r
          WINDOW in_order AS (ORDER BY seq)
        ) AS counted WHERE place = 1 OR (place <= $5::int AND bytes <= $6::bigint)
      ) AS p ORDER BY p.lane, p.seq`,
    park: parkedInsert(schema, 'DO NOTHING'),
    // An attempt that somebody else has counted meanwhile (a later owner, an operator) is not overwritten. What is given up, and
    // no other, must not have been given back: its letter is settled then, and this row is all that is left of it.
    settle: `WITH over AS (
        DELETE FROM ${table} AS p USING unnest($2::bytea[], $3::bigint[], $4::int[]) AS o (lane, seq, given)
        WHERE p.group_name = $1 AND p.lane = o.lane AND p.seq = o.seq AND (o.given IS NULL OR p.given = o.given))
      UPDATE ${table} AS p SET attempt = k.attempt, due_at = now() + k.delay_ms * interval '1 millisecond',
        blocked_since = CASE WHEN k.blocked THEN now() END, error_code = k.error_code, error_message = k.error_message,
        first_failed_at = coalesce(p.first_failed_at, to_timestamp(k.first_failed_ms / 1000))
      FROM unnest($5::bytea[], $6::bigint[], $7::int[], $8::int[], $9::float8[], $10::bool[], $11::text[], $12::text[], $13::float8[], $14::int[])
        AS k (lane, seq, was, attempt, delay_ms, blocked, error_code, error_message, first_failed_ms, given)
      WHERE p.group_name = $1 AND p.lane = k.lane AND p.seq = k.seq AND p.attempt = k.was AND (k.given IS NULL OR p.given = k.given)`,
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
    record: recordOf(row),
    attempts: row.attempt,
    dueInMs: row.due_in_ms,
    blocked: row.is_blocked,
    firstFailedAtMs: row.first_failed_at === null ? undefined : Date.parse(row.first_failed_at),
    given: row.given,
    isLast: row.is_last,
  };
}

/** What the constraint parked_records_once compares. */
function identityOf({ record, event }: RecordToPark): string {
  return JSON.stringify([record.topic, record.partition, record.offset.toString(), record.timestampMs, event?.id ?? null]);
}
