import pg from 'pg';

/**
 * The outbox of the benchmark, in a database of its own: the columns of the product's outbox, partitioned like it; without
 * its checks and triggers, which cost the writer and not the capture. `framed` has its payload as ready bytes.
 */
export const DOMAINS = ['image', 'framed'] as const;

export type Domain = (typeof DOMAINS)[number];

export const ROUTE = 'image.registered';

/** Row `n` has the id `…-<n in 12 hexadecimal digits>`, the key `user-<n % 1000>`, and about 400 bytes in all. */
const KEYS = 1_000;
const ID_PREFIX = '00000000-0000-4000-8000-';
const FRAME = String.raw`'\x0000000001'::bytea`;

/** `pg_sleep` sleeps whole milliseconds, so a writer that is ahead by less writes at once. */
const setup = (domain: Domain): string => `
  CREATE SCHEMA ${domain};
  CREATE TABLE ${domain}.outbox (
    id uuid NOT NULL, aggregatetype varchar(64) NOT NULL, aggregateid varchar(64) NOT NULL, type varchar(64) NOT NULL,
    payload ${domain === 'framed' ? 'bytea' : 'jsonb'} NOT NULL, trace_id varchar(64) NOT NULL, request_id varchar(64),
    created_at timestamptz NOT NULL DEFAULT now(), topic varchar(160) NOT NULL, stream_id varchar(64) NOT NULL,
    version bigint NOT NULL, traceparent text, tracestate text, tracingspancontext text, correlation_id varchar(64),
    causation_id varchar(64), PRIMARY KEY (id, created_at)
  ) PARTITION BY RANGE (created_at);
  CREATE TABLE ${domain}.outbox_default PARTITION OF ${domain}.outbox DEFAULT WITH (autovacuum_enabled = false);

  CREATE FUNCTION ${domain}.append(first bigint, last bigint) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO ${domain}.outbox (id, aggregatetype, aggregateid, type, payload, trace_id, request_id, topic, stream_id, version)
    SELECT ('${ID_PREFIX}' || lpad(to_hex(n), 12, '0'))::uuid, 'image', 'user-' || n % ${KEYS}, 'ImageRegistered',
           ${domain === 'framed' ? `${FRAME} || convert_to(` : ''}(
             '{"cdn_url": "https://cdn.example/images/' || md5(n::text) || '/' || md5((n + 1)::text) || '.jpg", ' ||
             '"user_id": "user-' || n % ${KEYS} || '", "image_id": "${ID_PREFIX}' || lpad(to_hex(n), 12, '0') || '"}'
           )${domain === 'framed' ? `, 'UTF8')` : '::jsonb'},
           md5(n::text), '${ID_PREFIX}' || lpad(to_hex(n), 12, '0'), '${ROUTE}', 'user-' || n % ${KEYS}, n / ${KEYS} + 1
      FROM generate_series(first, last) n;
  END $$;

  CREATE PROCEDURE ${domain}.write(first bigint, rows bigint, per_transaction bigint) LANGUAGE plpgsql AS $$
  DECLARE
    n bigint := first;
  BEGIN
    WHILE n < first + rows LOOP
      PERFORM ${domain}.append(n, least(n + per_transaction, first + rows) - 1);
      COMMIT;
      n := n + per_transaction;
    END LOOP;
  END $$;

  CREATE PROCEDURE ${domain}.write_paced(first bigint, rows bigint, stride bigint, per_second float8, INOUT committed bigint[])
  LANGUAGE plpgsql AS $$
  DECLARE
    began timestamptz := clock_timestamp();
    n bigint := 0;
    ahead float8;
  BEGIN
    committed := array_fill(0::bigint, ARRAY[rows::int]);
    WHILE n < rows LOOP
      ahead := n / per_second - extract(epoch FROM clock_timestamp() - began);
      IF ahead > 0.0005 THEN
        PERFORM pg_sleep(ahead);
      END IF;
      PERFORM ${domain}.append(first + n * stride, first + n * stride);
      COMMIT;
      n := n + 1;
      committed[n] := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    END LOOP;
  END $$;`;

export interface PacedWrite {
  readonly first: number;
  readonly rows: number;
  readonly perSecond: number;
  /** Whether a writer waits for the disk, as one does by default. */
  readonly durable: boolean;
}

/** Fills the outboxes. Row numbers never repeat in one domain. */
export class OutboxWriter {
  readonly url: string;
  private next = 1;

  private constructor(url: string) {
    this.url = url;
  }

  /** Makes the database with both outboxes; it must not exist. */
  static async create(postgresUrl: string, database: string): Promise<OutboxWriter> {
    const base = postgresUrl.replace(/\/$/, '');
    await withClient(`${base}/postgres`, (client) => client.query(`CREATE DATABASE "${database}"`));
    const writer = new OutboxWriter(`${base}/${database}`);
    for (const domain of DOMAINS) await withClient(writer.url, (client) => client.query(setup(domain)));
    return writer;
  }

  /** Writes rows as fast as the server takes them, and resolves with the number of the first. They are on disk then. */
  async write(domain: Domain, rows: number, perTransaction: number): Promise<number> {
    const first = this.take(rows);
    await withClient(this.url, async (client) => {
      // Nobody waits for the disk after each of a million transactions; the checkpoint does it once.
      await client.query('SET synchronous_commit = off');
      await client.query(`CALL ${domain}.write(${first}, ${rows}, ${perTransaction})`);
      await client.query('CHECKPOINT');
    });
    return first;
  }

  /** The numbers of the next rows, for `writePaced`. */
  take(rows: number): number {
    const first = this.next;
    this.next += rows;
    return first;
  }

  /**
   * Writes one-row transactions at a rate, and resolves with the time right after each commit, in microseconds since the
   * epoch by the machine's clock. Several sessions share the work; all rows of a key are written by one of them.
   */
  async writePaced(domain: Domain, { first, rows, perSecond, durable }: PacedWrite): Promise<Float64Array> {
    const sessions = perSecond > 1_000 ? 8 : 1;
    const committed = new Float64Array(rows);
    await Promise.all(
      Array.from({ length: sessions }, async (_, session) => {
        const own = Math.ceil((rows - session) / sessions);
        const times = await withClient(this.url, async (client) => {
          await client.query(`SET synchronous_commit = ${durable ? 'on' : 'off'}`);
          const call = `CALL ${domain}.write_paced(${first + session}, ${own}, ${sessions}, ${perSecond / sessions}, NULL)`;
          const { rows: answer } = await client.query<{ committed: string[] }>(call);
          return answer[0]?.committed ?? [];
        });
        times.forEach((time, index) => (committed[session + index * sessions] = Number(time)));
      }),
    );
    return committed;
  }

  /** The rows of a measurement that is over: nobody reads the table. */
  async empty(domain: Domain): Promise<void> {
    await withClient(this.url, (client) => client.query(`TRUNCATE ${domain}.outbox`));
  }

  query<Row extends pg.QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return withClient(this.url, async (client) => (await client.query<Row>(sql, [...values])).rows);
  }
}

/** The number of the row that an id belongs to. */
export function rowNumber(id: Uint8Array): number {
  let number = 0;
  for (let index = ID_PREFIX.length; index < id.length; index += 1) {
    const code = id[index] ?? 0;
    number = number * 16 + (code < 58 ? code - 48 : code - 87);
  }
  return number;
}

async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
