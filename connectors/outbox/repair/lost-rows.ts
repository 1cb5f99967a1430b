import type { Clock } from '../../../core/clock.ts';
import type { LogReader, TopicFacts } from '../../../core/log-reader.ts';
import type { Names } from '../../../core/names.ts';
import { withLongSqlSession } from '../../replication/long-sql-session.ts';
import type { CaptureSource } from '../../replication/source.ts';
import type { PublishedRow } from '../../replication/source-record.ts';
import type { Sql } from '../../replication/sql-session.ts';
import { keptRoutes, MissingRows } from './missing-rows.ts';
import { loadPublishedIds } from './published-ids.ts';

export interface LostRowsOptions {
  readonly domain: string;
  /** As the owner of the tables. */
  readonly source: CaptureSource;
  readonly names: Names;
  readonly routes: ReadonlySet<string>;
  readonly reader: LogReader;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A transaction that was open for longer, when the row before it was published, is not looked at. */
const OPEN_MAX_S = 3_600;
const FLUSH_LOOK_MS = 50;
const FLUSH_LOOKS_MAX = 40;

/**
 * How many rows of the outbox are neither in their topics nor among those that the slot will still send. Rows that are older
 * than `last`, the last one that is known to be published, are not compared. Changes nothing. Nobody may read from the slot or
 * write to the topics meanwhile; writers of the outbox may go on.
 *
 * @throws ClassifiedError POSTGRES_UNAVAILABLE, KAFKA_UNAVAILABLE, CONFIGURATION_INVALID; or the signal's reason.
 */
export async function countLostRows(
  options: LostRowsOptions,
  last: PublishedRow | undefined,
  waiting: (add: (ids: readonly string[]) => Promise<void>) => Promise<void>,
): Promise<number> {
  const { domain, source, names, routes, reader, signal } = options;
  return withLongSqlSession(source.url, signal, async (sql) => {
    const sinceMs = await comparedSince(sql, last);
    const { topics } = await reader.describe([
      ...[...routes].map((route) => names.eventTopic(route)),
      names.captureDeadLetterTopic(domain),
    ]);
    const young = await Promise.all(topics.map((topic) => since(reader, topic, sinceMs)));
    await loadPublishedIds(sql, reader, young, signal, () => undefined);
    // The snapshot first, then the look into the slot: what the one shows is in the other, unless it is lost.
    await sql.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await untilFlushed(sql, options);
    await waiting(async (ids) => {
      await sql.query(`INSERT INTO repair_published SELECT unnest($1::uuid[]), '', NULL`, [ids]);
    });
    const rows = new MissingRows(sql, source, keptRoutes(names, domain, routes, topics));
    const lost = await rows.countSince(sinceMs);
    if (lost === 0) return 0;
    // A row whose writer dated it later than its commit has its record before the part that was read.
    await loadPublishedIds(
      sql,
      reader,
      topics.map((topic) => before(topic, young)),
      signal,
      () => undefined,
    );
    return rows.countSince(sinceMs);
  });
}

async function comparedSince(sql: Sql, last: PublishedRow | undefined): Promise<number> {
  if (last === undefined) return 0;
  const { rows } = await sql.query('SELECT (extract(epoch FROM $1::timestamptz) - $2)::float8 * 1000 AS ms', [last.createdAt, OPEN_MAX_S]);
  return Math.max(0, Math.floor((rows[0] as { ms: number }).ms));
}

/** A record is as old as its row's commit, and so not older than a row that its writer dated by the clock. */
async function since(reader: LogReader, topic: TopicFacts, sinceMs: number): Promise<TopicFacts> {
  const begins = await reader.offsetsSince(topic.topic, sinceMs);
  const partitions = topic.partitions.map((each) => ({
    ...each,
    earliest: begins.find(({ partition }) => partition === each.partition)?.offset ?? each.end,
  }));
  return { ...topic, partitions };
}

/** What `young` leaves out of the topic. */
function before(topic: TopicFacts, young: readonly TopicFacts[]): TopicFacts {
  const begun = young.find((each) => each.topic === topic.topic)?.partitions ?? [];
  const partitions = topic.partitions.map((each) => ({
    ...each,
    end: begun.find(({ partition }) => partition === each.partition)?.earliest ?? each.earliest,
  }));
  return { ...topic, partitions };
}

/**
 * A commit that does not wait for the disk is visible before the slot can see it; the server writes it down soon. The end of the
 * log may be a page's head that is never written by itself: hence the limit.
 */
async function untilFlushed(sql: Sql, { clock, signal }: LostRowsOptions): Promise<void> {
  const { rows } = await sql.query('SELECT pg_current_wal_insert_lsn()::text AS lsn');
  const { lsn } = rows[0] as { lsn: string };
  for (let look = 0; look < FLUSH_LOOKS_MAX; look += 1) {
    const flushed = await sql.query('SELECT pg_current_wal_flush_lsn() >= $1::pg_lsn AS flushed', [lsn]);
    if ((flushed.rows[0] as { flushed: boolean }).flushed) return;
    await clock.sleep(FLUSH_LOOK_MS, signal);
  }
}
