import type { TopicFacts } from '../../../core/log-reader.ts';
import type { Names } from '../../../core/names.ts';
import type { Relation } from '../../replication/pgoutput.ts';
import type { CaptureSource } from '../../replication/source.ts';
import type { Sql } from '../../replication/sql-session.ts';
import { quoteIdentifier } from '../../replication/sql-session.ts';
import type { PhantomRows, TopicCount } from './repair-report.ts';

export interface MissingRow {
  readonly tuple: Buffer;
  /** Microseconds since the epoch; now for a row of the future, or of no moment that Kafka knows. */
  readonly timestampUs: number;
}

/** What a topic keeps: `route` is the row's `topic`. */
export interface KeptRoute {
  readonly route: string;
  readonly topic: string;
  /** Undefined: for ever. */
  readonly retentionMs: number | undefined;
}

/** The last one, of no name, is for rows that have no topic: they are kept as long as the letters that were made of them. */
export function keptRoutes(names: Names, domain: string, routes: ReadonlySet<string>, topics: readonly TopicFacts[]): KeptRoute[] {
  const kept = (route: string, topic: string): KeptRoute => ({
    ...{ route, topic },
    retentionMs: topics.find((facts) => facts.topic === topic)?.retentionMs,
  });
  return [...[...routes].map((route) => kept(route, names.eventTopic(route))), kept('', names.captureDeadLetterTopic(domain))];
}

/** The outbox of one snapshot against the ids of `repair_published`. */
export class MissingRows {
  private readonly sql: Sql;
  private readonly outbox: string;
  private readonly routes: readonly KeptRoute[];

  constructor(sql: Sql, source: CaptureSource, routes: readonly KeptRoute[]) {
    this.sql = sql;
    this.outbox = `${quoteIdentifier(source.publication.schema)}.${quoteIdentifier(source.publication.table)}`;
    this.routes = routes;
  }

  async count(deadLetterTopic: string): Promise<{
    readonly checkedRows: number;
    readonly beyondRetentionRows: number;
    readonly missing: readonly TopicCount[];
    readonly oldestRow: string | undefined;
  }> {
    const { rows } = await this.sql.query(
      `${this.kept()} SELECT coalesce(k.name, $4) AS topic, count(*)::int AS checked,
              count(*) FILTER (WHERE NOT ${FRESH})::int AS beyond,
              count(*) FILTER (WHERE ${FRESH} AND NOT ${PUBLISHED})::int AS missing,
              to_char(min(o.created_at) FILTER (WHERE isfinite(o.created_at)) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS oldest
         FROM ${this.outbox} o LEFT JOIN kept k ON ${OF_ROW} GROUP BY 1 ORDER BY 1`,
      [...this.parameters(), deadLetterTopic],
    );
    const found = rows as { topic: string; checked: number; beyond: number; missing: number; oldest: string | null }[];
    const sum = (value: (row: (typeof found)[number]) => number): number => found.reduce((total, row) => total + value(row), 0);
    return {
      checkedRows: sum((row) => row.checked - row.beyond),
      beyondRetentionRows: sum((row) => row.beyond),
      missing: found.filter(({ missing }) => missing > 0).map(({ topic, missing }) => ({ topic, rows: missing })),
      oldestRow: found.flatMap(({ oldest }) => oldest ?? []).sort()[0],
    };
  }

  /** Missing rows that are not older than that. */
  async countSince(createdAtMs: number): Promise<number> {
    const { rows } = await this.sql.query(
      `${this.kept()} SELECT count(*)::int AS missing FROM ${this.outbox} o LEFT JOIN kept k ON ${OF_ROW}
        WHERE o.created_at >= to_timestamp($4::float8 / 1000) AND ${FRESH} AND NOT ${PUBLISHED}`,
      [...this.parameters(), createdAtMs],
    );
    return (rows[0] as { missing: number }).missing;
  }

  /** Only of days that the outbox still holds: older rows left it for their age. */
  async phantoms(): Promise<readonly PhantomRows[]> {
    const { rows } = await this.sql.query(
      `SELECT p.topic, count(DISTINCT p.id)::int AS rows, (array_agg(DISTINCT p.id::text))[1:10] AS examples
         FROM repair_published p
        WHERE p.occurred_at >= (SELECT min(created_at) FROM ${this.outbox} WHERE isfinite(created_at))
          AND NOT EXISTS (SELECT 1 FROM ${this.outbox} o WHERE o.id = p.id)
        GROUP BY 1 ORDER BY 1`,
    );
    return rows as PhantomRows[];
  }

  /**
   * The missing rows in the order in which they are to be published: by the moment at which their transactions began, but
   * never before an earlier version of the same stream. One call reads it once, in batches.
   */
  async *read(relation: Relation, batchRows: number): AsyncGenerator<MissingRow[]> {
    const columns = relation.columns.map(({ name }) => `o.${quoteIdentifier(name)}::text`);
    await this.sql.query(
      `DECLARE repair_missing NO SCROLL CURSOR FOR ${this.kept()}
       SELECT ARRAY[${columns.join(', ')}] AS texts, ${TIMESTAMP_US} AS us,
              max(o.created_at) OVER (PARTITION BY o.aggregatetype, o.stream_id ORDER BY o.version ROWS UNBOUNDED PRECEDING) AS place
         FROM ${this.outbox} o LEFT JOIN kept k ON ${OF_ROW}
        WHERE ${FRESH} AND NOT ${PUBLISHED}
        ORDER BY place, o.version, o.id`,
      this.parameters(),
    );
    for (;;) {
      const { rows } = await this.sql.query(`FETCH ${batchRows} FROM repair_missing`);
      if (rows.length === 0) break;
      yield (rows as { texts: (string | null)[]; us: string }[]).map(({ texts, us }) => ({
        tuple: tupleOf(texts),
        timestampUs: Number(us),
      }));
    }
    await this.sql.query('CLOSE repair_missing');
  }

  private kept(): string {
    return 'WITH kept AS (SELECT * FROM unnest($1::text[], $2::text[], $3::float8[]) AS k (route, name, kept_s))';
  }

  private parameters(): unknown[] {
    return [
      this.routes.map(({ route }) => route),
      this.routes.map(({ topic }) => topic),
      this.routes.map(({ retentionMs }) => (retentionMs === undefined ? null : retentionMs / 1000)),
    ];
  }

  /** The table as the stream would describe it. */
  async relation(): Promise<Relation> {
    const { rows } = await this.sql.query(
      `SELECT a.attname AS name, a.atttypid::int AS "typeOid", n.nspname AS schema, c.relname AS "table"
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
      [this.outbox],
    );
    const found = rows as { name: string; typeOid: number; schema: string; table: string }[];
    const [first] = found;
    return {
      kind: 'relation',
      oid: 0,
      schema: first?.schema ?? '',
      name: first?.table ?? '',
      columns: found.map(({ name, typeOid }) => ({ name, typeOid })),
    };
  }
}

const OF_ROW = `k.route = CASE WHEN o.topic = ANY ($1::text[]) THEN o.topic ELSE '' END`;
const PUBLISHED = 'EXISTS (SELECT 1 FROM repair_published p WHERE p.id = o.id)';
/** Kafka refuses a record of the future, and one from before 1970; `infinity` is no number at all. */
const TIMESTAMP_US = `(extract(epoch FROM CASE WHEN o.created_at >= 'epoch' AND o.created_at < now() THEN o.created_at ELSE now() END)
                       * 1000000)::bigint::text`;
/** A record that is older than its topic keeps would be removed again at once, and its readers have long forgotten it. */
const FRESH = '(k.kept_s IS NULL OR o.created_at > now() - make_interval(secs => k.kept_s))';

/** The row as pgoutput would send it, so that the same code makes the same record of it. */
function tupleOf(texts: readonly (string | null)[]): Buffer {
  const parts: Buffer[] = [Buffer.alloc(2)];
  parts[0]?.writeInt16BE(texts.length);
  for (const text of texts) {
    if (text === null) {
      parts.push(Buffer.from('n'));
      continue;
    }
    const value = Buffer.from(text);
    const head = Buffer.from('t\0\0\0\0');
    head.writeInt32BE(value.length, 1);
    parts.push(head, value);
  }
  return Buffer.concat(parts);
}
