import { ClassifiedError } from '../../core/errors.ts';
import type { Lsn } from '../../core/lsn.ts';
import { parseLsn } from '../../core/lsn.ts';
import type { CaptureSource } from './source.ts';
import type { PublicationSighting } from './publication.ts';
import { sightPublication } from './publication.ts';
import type { SlotFacts } from './slot.ts';
import { readSlot } from './slot.ts';
import type { TailRow } from './published-tails.ts';
import type { PublishedRow, SourceRecord } from './source-record.ts';
import type { Sql } from './sql-session.ts';
import { quoteIdentifier } from './sql-session.ts';
import type { TimelineSwitch } from './timeline-history.ts';
import { readTimelineSwitch } from './timeline-history.ts';

/** What the database itself remembers of its capture. */
export interface RememberedRow {
  readonly epoch: number;
  readonly consistentPoint: Lsn;
  readonly publication: string;
  readonly kafkaCluster: string | undefined;
}

/** The server and the database as they are now. */
export interface SourceFacts {
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly currentLsn: Lsn;
  readonly database: string;
  readonly slot: SlotFacts | undefined;
  readonly publication: PublicationSighting | undefined;
  readonly row: RememberedRow | undefined;
  /** Where the timeline that is remembered was left; undefined when the server is still on it, or nothing is remembered. */
  readonly timelineSwitch: TimelineSwitch | 'unknown' | undefined;
  /**
   * `missing` when the outbox lacks both rows that were published last (a single one may have been deleted on purpose);
   * `untold` when nothing is remembered, or their days may have been dropped.
   */
  readonly lastPublished: 'there' | 'missing' | 'untold';
  /** Rows at the ends of the topics that the outbox should have and has not; looked for on another timeline only. */
  readonly lackingRows: number;
}

export interface SourceFactsOptions {
  readonly source: CaptureSource;
  readonly replicationUrl: string;
  /** Days for which a row stays in the outbox at least. */
  readonly outboxKeptDays: number;
}

/** @throws ClassifiedError POSTGRES_UNAVAILABLE for a server in recovery: it cannot be the source, and may become it. */
export async function readSourceFacts(
  sql: Sql,
  { source, replicationUrl, outboxKeptDays }: SourceFactsOptions,
  remembered: SourceRecord | undefined,
  tails: () => AsyncIterable<readonly TailRow[]>,
): Promise<SourceFacts> {
  const server = await readServer(sql);
  const same = remembered?.systemIdentifier === server.systemIdentifier;
  const moved = same && remembered.timeline !== server.timeline;
  return {
    ...server,
    slot: await readSlot(sql, source.slot),
    publication: await sightPublication(sql, source.publication),
    row: await readSourceRow(sql, source),
    timelineSwitch: moved ? await readTimelineSwitch(replicationUrl, server.timeline, remembered.timeline) : undefined,
    lastPublished: await findPublishedRows(sql, source, outboxKeptDays, [remembered?.lastPublished, remembered?.publishedBefore]),
    lackingRows: moved ? await countLacking(sql, source, outboxKeptDays, tails()) : 0,
  };
}

async function readServer(sql: Sql): Promise<Pick<SourceFacts, 'systemIdentifier' | 'timeline' | 'currentLsn' | 'database'>> {
  const recovery = await sql.query('SELECT pg_is_in_recovery() AS standby');
  if ((recovery.rows[0] as { standby: boolean }).standby) {
    throw new ClassifiedError('POSTGRES_UNAVAILABLE', 'the server is a standby, in recovery');
  }
  // The name of a WAL file begins with its timeline: true right after a promotion, when the last checkpoint still tells the old one.
  const { rows } = await sql.query(
    `SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system,
            ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int AS timeline,
            pg_current_wal_lsn()::text AS lsn,
            current_database() AS database`,
  );
  const row = rows[0] as { system: string; timeline: number; lsn: string; database: string };
  return { systemIdentifier: row.system, timeline: row.timeline, currentLsn: parseLsn(row.lsn), database: row.database };
}

/** Undefined also where the table is not: a database that was migrated by an older version. */
export async function readSourceRow(sql: Sql, source: CaptureSource): Promise<RememberedRow | undefined> {
  if (!(await hasSourceTable(sql, source))) return undefined;
  const { rows } = await sql.query(
    `SELECT epoch, consistent_point::text AS consistent_point, publication, kafka_cluster FROM ${tableOf(source)} WHERE slot = $1`,
    [source.slot],
  );
  const row = rows[0] as { epoch: number; consistent_point: string; publication: string; kafka_cluster: string | null } | undefined;
  if (row === undefined) return undefined;
  return {
    epoch: row.epoch,
    consistentPoint: parseLsn(row.consistent_point),
    publication: row.publication,
    kafkaCluster: row.kafka_cluster ?? undefined,
  };
}

/** Nothing happens where the table is not. */
export async function writeSourceRow(
  sql: Sql,
  source: CaptureSource,
  row: Omit<RememberedRow, 'consistentPoint'> & { consistentPoint: string },
) {
  if (!(await hasSourceTable(sql, source))) return;
  await sql.query(
    `INSERT INTO ${tableOf(source)} (slot, epoch, consistent_point, publication, kafka_cluster) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (slot) DO UPDATE SET epoch = excluded.epoch, consistent_point = excluded.consistent_point,
       publication = excluded.publication, kafka_cluster = excluded.kafka_cluster, created_at = now()`,
    [source.slot, row.epoch, row.consistentPoint, row.publication, row.kafkaCluster ?? null],
  );
}

export async function deleteSourceRow(sql: Sql, source: CaptureSource): Promise<void> {
  if (await hasSourceTable(sql, source)) await sql.query(`DELETE FROM ${tableOf(source)} WHERE slot = $1`, [source.slot]);
}

async function findPublishedRows(
  sql: Sql,
  source: CaptureSource,
  outboxKeptDays: number,
  rows: readonly (PublishedRow | undefined)[],
): Promise<SourceFacts['lastPublished']> {
  let verdict: SourceFacts['lastPublished'] = 'untold';
  for (const row of rows) {
    const found = row === undefined ? 'untold' : await findPublishedRow(sql, source, outboxKeptDays, row);
    if (found === 'there') return 'there';
    if (found === 'missing') verdict = 'missing';
  }
  return verdict;
}

/**
 * A day that was dropped for its age takes its rows with it, and old rows of the default partition leave it in any order. The row
 * must be there when its day has a partition; or when it is too young to have left, and the table still holds a row that is as old.
 */
async function findPublishedRow(
  sql: Sql,
  source: CaptureSource,
  outboxKeptDays: number,
  row: PublishedRow,
): Promise<SourceFacts['lastPublished']> {
  const { schema, table } = source.publication;
  const outbox = `${quoteIdentifier(schema)}.${quoteIdentifier(table)}`;
  const found = await sql.query(`SELECT 1 FROM ${outbox} WHERE id = $1 AND created_at = $2`, [row.id, row.createdAt]);
  if (found.rows.length > 0) return 'there';
  const { rows } = await sql.query(
    `SELECT to_regclass(format('%I.%I', $1::text, $2::text || to_char($3::timestamptz AT TIME ZONE 'UTC', '"_p"YYYYMMDD'))) IS NOT NULL
         OR ($3::timestamptz > now() - make_interval(days => $4)
             AND EXISTS (SELECT 1 FROM ${outbox} WHERE created_at <= $3::timestamptz)) AS expected`,
    [schema, table, row.createdAt, outboxKeptDays],
  );
  return (rows[0] as { expected: boolean }).expected ? 'missing' : 'untold';
}

/** As `findPublishedRow`, for many. */
async function countLacking(
  sql: Sql,
  { publication: { schema, table } }: CaptureSource,
  outboxKeptDays: number,
  tails: AsyncIterable<readonly TailRow[]>,
): Promise<number> {
  const outbox = `${quoteIdentifier(schema)}.${quoteIdentifier(table)}`;
  let lacking = 0;
  for await (const tail of tails) {
    const { rows } = await sql.query(
      `SELECT count(*)::int AS lacking FROM unnest($1::uuid[], $2::timestamptz[]) AS t (id, at)
        WHERE NOT EXISTS (SELECT 1 FROM ${outbox} o WHERE o.id = t.id AND o.created_at = t.at)
          AND (to_regclass(format('%I.%I', $3::text, $4::text || to_char(t.at AT TIME ZONE 'UTC', '"_p"YYYYMMDD'))) IS NOT NULL
            OR (t.at > now() - make_interval(days => $5) AND EXISTS (SELECT 1 FROM ${outbox} WHERE created_at <= t.at)))`,
      [tail.map(({ id }) => id), tail.map(({ occurredAt }) => occurredAt), schema, table, outboxKeptDays],
    );
    lacking += (rows[0] as { lacking: number }).lacking;
  }
  return lacking;
}

async function hasSourceTable(sql: Sql, source: CaptureSource): Promise<boolean> {
  const { rows } = await sql.query('SELECT to_regclass($1) IS NOT NULL AS there', [tableOf(source)]);
  return (rows[0] as { there: boolean }).there;
}

function tableOf(source: CaptureSource): string {
  return `${quoteIdentifier(source.publication.schema)}.capture_sources`;
}
