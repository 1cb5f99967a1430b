import pg from 'pg';
import { classifyPostgresError } from './postgres-errors.ts';

/** The little of SQL that capture needs. A `pg` client or pool fits. */
export interface Sql {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>;
}

const CONNECT_TIMEOUT_MS = 5_000;
const QUERY_TIMEOUT_MS = 10_000;
const END_TIMEOUT_MS = 1_000;

/**
 * A connection for questions that come every second: opened by the first one, kept for the next, and thrown away by a
 * failure, so that a half-open one costs a single answer. Opening one each time would cost both sides more than the answer.
 */
export class KeptSqlSession {
  private readonly url: string;
  private client: pg.Client | undefined;

  constructor(url: string) {
    this.url = url;
  }

  /** @throws ClassifiedError POSTGRES_UNAVAILABLE, CONFIGURATION_INVALID, or what `work` threw. */
  async run<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    const client = this.client ?? newClient(this.url);
    try {
      if (this.client === undefined) {
        this.client = client;
        await client.connect();
      }
      return await work(client);
    } catch (thrown) {
      if (this.client === client) this.client = undefined;
      await endClient(client);
      throw classifyPostgresError(thrown, 'a query of the capture');
    }
  }

  /** Takes a second at most, whatever became of the server. */
  async close(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (client !== undefined) await endClient(client);
  }
}

/**
 * Runs `work` on a connection of its own and closes it: for what capture asks rarely (at start, every few seconds for its
 * lag), where a kept connection would only be one more that can be half open.
 * @throws ClassifiedError POSTGRES_UNAVAILABLE, CONFIGURATION_INVALID, or what `work` threw.
 */
export async function withSqlSession<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const client = newClient(url);
  try {
    await client.connect();
    return await work(client);
  } catch (thrown) {
    throw classifyPostgresError(thrown, 'a query of the capture');
  } finally {
    await endClient(client);
  }
}

/** Says good-bye, but not for ever: on a dead connection nobody answers. */
async function endClient(client: pg.Client): Promise<void> {
  const cut = setTimeout(() => client.connection.stream.destroy(), END_TIMEOUT_MS);
  await client.end().catch(() => undefined); // what `work` did is done or has failed by itself
  clearTimeout(cut);
}

function newClient(url: string): pg.Client {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'millrace-capture',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
  });
  // A lost connection rejects the query in hand; the event says the same again and would end the process unheard.
  client.on('error', () => undefined);
  return client;
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
