import type { LogReader, TopicFacts } from '../../../core/log-reader.ts';
import { LOGICAL_MESSAGE_HEADER } from '../../../core/envelope.ts';
import { headerText } from '../../../core/record.ts';
import { slicesUpTo } from '../../../core/whole-log.ts';
import { isUuid } from '../../../core/uuid.ts';
import type { Sql } from '../../replication/sql-session.ts';

/** Ids that are held before they go to the database: the bound of the process's memory beside one fetch. */
const BATCH = 10_000;

/**
 * Reads the topics from their beginning to where they end now, and keeps the id of every record in a temporary table of the
 * session: the server compares, and spills to its disk what is too much for its memory. What a former call read stays.
 */
export async function loadPublishedIds(
  sql: Sql,
  reader: LogReader,
  topics: readonly TopicFacts[],
  signal: AbortSignal,
  onRead: (records: number) => void,
): Promise<void> {
  await sql.query('CREATE TEMPORARY TABLE IF NOT EXISTS repair_published (id uuid NOT NULL, topic text NOT NULL, occurred_at timestamptz)');
  const batch = new IdBatch(sql);
  let read = 0;
  for (const { topic, partition, earliest, end } of topics.flatMap(({ partitions }) => partitions)) {
    for await (const slice of slicesUpTo(reader, { topic, partition }, earliest, end)) {
      signal.throwIfAborted();
      for (const { headers } of slice.records) {
        const id = headerText(headers, 'id');
        // Of a logical message there is no row that it could be compared with.
        if (headerText(headers, LOGICAL_MESSAGE_HEADER) !== undefined) continue;
        if (id !== undefined && isUuid(id)) await batch.add(id, topic, headerText(headers, 'occurred_at'));
      }
      read += slice.records.length;
      if (slice.records.length > 0) onRead(read);
    }
  }
  await batch.flush();
  await sql.query('ANALYZE repair_published');
}

class IdBatch {
  private readonly sql: Sql;
  private ids: string[] = [];
  private topics: string[] = [];
  private moments: (string | null)[] = [];

  constructor(sql: Sql) {
    this.sql = sql;
  }

  async add(id: string, topic: string, occurredAt: string | undefined): Promise<void> {
    this.ids.push(id);
    this.topics.push(topic);
    this.moments.push(occurredAt !== undefined && !Number.isNaN(Date.parse(occurredAt)) ? occurredAt : null);
    if (this.ids.length >= BATCH) await this.flush();
  }

  async flush(): Promise<void> {
    await this.sql.query('INSERT INTO repair_published SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[])', [
      this.ids,
      this.topics,
      this.moments,
    ]);
    [this.ids, this.topics, this.moments] = [[], [], []];
  }
}
