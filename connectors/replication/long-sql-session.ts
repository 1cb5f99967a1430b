import pg from 'pg';
import { classifyPostgresError } from './postgres-errors.ts';
import type { Sql } from './sql-session.ts';

/**
 * Runs `work` on one connection whose statements may take as long as they take; they end with the signal, also one that
 * waits for somebody's transaction: the server is asked over another connection to end the session, and takes back what it had begun.
 * @throws ClassifiedError POSTGRES_UNAVAILABLE, CONFIGURATION_INVALID, what `work` threw, or the signal's reason.
 */
export async function withLongSqlSession<T>(url: string, signal: AbortSignal, work: (sql: Sql) => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const client = new pg.Client({ connectionString: url, application_name: 'millrace-repair', connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  let pid: number | undefined;
  const onAbort = (): void => {
    if (pid !== undefined) void terminate(url, pid);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await client.connect();
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    pid = rows[0]?.pid;
    signal.throwIfAborted();
    return await work(client);
  } catch (thrown) {
    signal.throwIfAborted();
    throw classifyPostgresError(thrown, 'a query of the repair');
  } finally {
    signal.removeEventListener('abort', onAbort);
    await client.end().catch(() => undefined);
  }
}

async function terminate(url: string, pid: number): Promise<void> {
  const other = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  other.on('error', () => undefined);
  try {
    await other.connect();
    await other.query('SELECT pg_terminate_backend($1)', [pid]);
  } catch {
    // The session ends with the statement that it is in.
  } finally {
    await other.end().catch(() => undefined);
  }
}
