import pg from 'pg';
import { ClassifiedError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { classifyPostgresError, PostgresFault } from './classify-postgres-error.ts';
import { TYPE_PARSERS } from './type-parsers.ts';

export interface DatabaseOptions {
  readonly url: string;
  /** The domain whose database this is; its tables are in the schema of the same name. */
  readonly domain: string;
  /** Connections at most; who finds none free waits for `connectTimeoutMs` and then fails as POSTGRES_UNAVAILABLE. */
  readonly poolMax?: number;
  readonly applicationName?: string;
  readonly logger: Logger;
  /** The server cancels a statement after this time (HANDLER_TIMEOUT). */
  readonly statementTimeoutMs?: number;
  /** A statement that waits longer for somebody else's lock fails (POSTGRES_SERIALIZATION); left out: it may wait for its whole time. */
  readonly lockTimeoutMs?: number;
  /** Every statement finds its rows by key: no plan reads a whole table, however small the table was when the plan was made. */
  readonly lookupsOnly?: boolean;
  readonly connectTimeoutMs?: number;
  /** How much later than the server's own limit a connection that has gone silent is given up (POSTGRES_UNAVAILABLE). */
  readonly silenceMarginMs?: number;
  /** False behind a connection pooler that gives each transaction another connection and does not follow prepared statements. */
  readonly preparedStatements?: boolean;
}

/** Statements with parameters. Rows come with the types of `type-parsers.ts`. Every rejection is a ClassifiedError. */
export interface Session {
  query<R extends object>(text: string, values?: readonly unknown[]): Promise<readonly R[]>;
  /** The number of rows that the statement changed. */
  execute(text: string, values?: readonly unknown[]): Promise<number>;
  /** As `query`; the connection keeps the statement's plan. For texts that come again and again, and are few. */
  prepared<R extends object>(text: string, values: readonly unknown[]): Promise<readonly R[]>;
}

/** The statements of one transaction. */
export interface TransactionSession extends Session {
  /** As `query`, but the statement may wait for locks so long, whatever the limits of the connection are. */
  waiting<R extends object>(waitMs: number, text: string, values: readonly unknown[]): Promise<readonly R[]>;
}

/**
 * The connections to one domain's database. A connection that dies, idle or not, never ends the process; who comes next
 * gets a new one or POSTGRES_UNAVAILABLE.
 */
export interface Database extends Session {
  readonly domain: string;
  /**
   * Runs `work` in one READ COMMITTED transaction. When it resolves the transaction is durable; when it rejects nothing
   * of it is, except that a connection lost during COMMIT (POSTGRES_UNAVAILABLE) leaves it unknown. What `work` throws
   * is thrown on.
   */
  transaction<T>(work: (session: TransactionSession) => Promise<T>): Promise<T>;
  /** Waits for the transactions in hand until the signal aborts, then cuts their connections. May be called twice. */
  stop(hard?: AbortSignal): Promise<void>;
}

/** How much later than a lock's own limit the statement that waits for it is given up, and then its connection. */
const WAIT_MARGIN_MS = 1_000;

const DEFAULTS = { poolMax: 10, statementTimeoutMs: 10_000, connectTimeoutMs: 2_000, silenceMarginMs: 5_000 };

export function createDatabase(options: DatabaseOptions): Database {
  const statementTimeoutMs = options.statementTimeoutMs ?? DEFAULTS.statementTimeoutMs;
  const silenceMs = statementTimeoutMs + (options.silenceMarginMs ?? DEFAULTS.silenceMarginMs);
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolMax ?? DEFAULTS.poolMax,
    application_name: options.applicationName ?? `millrace-${options.domain}`,
    connectionTimeoutMillis: options.connectTimeoutMs ?? DEFAULTS.connectTimeoutMs,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: silenceMs,
    query_timeout: silenceMs,
    ...(options.lockTimeoutMs === undefined ? {} : { lock_timeout: options.lockTimeoutMs }),
    options: `-c timezone=UTC -c datestyle=ISO${options.lookupsOnly === true ? ' -c enable_seqscan=off' : ''}`,
    types: TYPE_PARSERS,
  });
  return new PooledDatabase(options.domain, pool, options.logger, options.preparedStatements === false ? undefined : new StatementNames());
}

class PooledDatabase implements Database {
  readonly domain: string;
  private readonly pool: pg.Pool;
  private readonly logger: Logger;
  private readonly names: StatementNames | undefined;
  private readonly busy = new Set<pg.PoolClient>();
  private stopping: Promise<void> | undefined;

  constructor(domain: string, pool: pg.Pool, logger: Logger, names: StatementNames | undefined) {
    this.domain = domain;
    this.pool = pool;
    this.logger = logger;
    this.names = names;
    // Without listeners, the error event of a dead connection would end the process; the pool listens to idle ones only.
    pool.on('error', (error) => this.connectionLost(error));
    pool.on('connect', (client) => client.on('error', (error) => this.connectionLost(error)));
  }

  async query<R extends object>(text: string, values?: readonly unknown[]): Promise<readonly R[]> {
    return this.withClient((client) => new ClientSession(client, this.names).query<R>(text, values));
  }

  async execute(text: string, values?: readonly unknown[]): Promise<number> {
    return this.withClient((client) => new ClientSession(client, this.names).execute(text, values));
  }

  async prepared<R extends object>(text: string, values: readonly unknown[]): Promise<readonly R[]> {
    return this.withClient((client) => new ClientSession(client, this.names).prepared<R>(text, values));
  }

  async transaction<T>(work: (session: TransactionSession) => Promise<T>): Promise<T> {
    return this.withClient((client) => inTransaction(new ClientSession(client, this.names), work));
  }

  async stop(hard?: AbortSignal): Promise<void> {
    this.stopping ??= this.pool.end();
    const cut = (): void => {
      // Ending a client with a statement in hand destroys its socket; its owner sees POSTGRES_UNAVAILABLE.
      for (const client of this.busy as Set<pg.PoolClient & pg.Client>) void client.end();
    };
    if (hard?.aborted === true) cut();
    hard?.addEventListener('abort', cut, { once: true });
    try {
      await this.stopping;
    } finally {
      hard?.removeEventListener('abort', cut);
    }
  }

  private async withClient<T>(use: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.pool.connect().catch((error: unknown) => {
      throw classifyPostgresError(error);
    });
    this.busy.add(client);
    let broken = false;
    try {
      return await use(client);
    } catch (error) {
      broken = error instanceof BrokenConnection || isUnavailable(error) || isStalePlan(error);
      throw error instanceof BrokenConnection ? error.first : error;
    } finally {
      this.busy.delete(client);
      client.release(broken);
    }
  }

  private connectionLost(error: unknown): void {
    this.logger.warn({ domain: this.domain }, 'a connection to PostgreSQL was lost', classifyPostgresError(error));
  }
}

/** Carries what went wrong first past a connection whose ROLLBACK failed too, so that it is closed and not used again. */
class BrokenConnection extends Error {
  readonly first: unknown;

  constructor(first: unknown) {
    super('the connection cannot be used again');
    this.first = first;
  }
}

async function inTransaction<T>(session: ClientSession, work: (session: TransactionSession) => Promise<T>): Promise<T> {
  try {
    await session.run('BEGIN ISOLATION LEVEL READ COMMITTED');
    const result = await work(session);
    session.close();
    const { command } = await session.run('COMMIT');
    // A statement failed and `work` caught it: the server answers COMMIT with a rollback, and no error.
    if (command !== 'COMMIT')
      throw new ClassifiedError('HANDLER_FAILED', 'the transaction was rolled back: a failed statement was ignored');
    return result;
  } catch (error) {
    session.close();
    // A connection that fails or is silent is closed at once, which rolls back too: asking it would take as long again.
    if (isUnavailable(error)) throw error;
    await session.run('ROLLBACK').catch(() => {
      throw new BrokenConnection(error);
    });
    throw error;
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof ClassifiedError && error.code === 'POSTGRES_UNAVAILABLE';
}

/** The table behind a kept plan has changed, or the plan is gone: another connection makes a new one. */
function isStalePlan(error: unknown): boolean {
  return error instanceof ClassifiedError && error.cause instanceof PostgresFault && ['0A000', '26000'].includes(error.cause.sqlState);
}

interface QueryOptions {
  readonly name?: string;
  /** Milliseconds. */
  readonly query_timeout?: number;
}

class ClientSession implements TransactionSession {
  private readonly client: pg.PoolClient;
  private readonly names: StatementNames | undefined;
  private closed = false;

  constructor(client: pg.PoolClient, names: StatementNames | undefined) {
    this.client = client;
    this.names = names;
  }

  async query<R extends object>(text: string, values?: readonly unknown[]): Promise<readonly R[]> {
    this.assertOpen();
    return (await this.run<R>(text, values)).rows;
  }

  async execute(text: string, values?: readonly unknown[]): Promise<number> {
    this.assertOpen();
    return (await this.run(text, values)).rowCount ?? 0;
  }

  async prepared<R extends object>(text: string, values: readonly unknown[]): Promise<readonly R[]> {
    this.assertOpen();
    const name = this.names?.of(text);
    return (await this.run<R>(text, values, name === undefined ? {} : { name })).rows;
  }

  async waiting<R extends object>(waitMs: number, text: string, values: readonly unknown[]): Promise<readonly R[]> {
    this.assertOpen();
    // The lock's own limit comes first, so that it is the one that is reported.
    await this.run(`SET LOCAL lock_timeout = ${waitMs}; SET LOCAL statement_timeout = ${waitMs + WAIT_MARGIN_MS}`);
    const { rows } = await this.run<R>(text, values, { query_timeout: waitMs + 2 * WAIT_MARGIN_MS });
    await this.run('SET LOCAL lock_timeout TO DEFAULT; SET LOCAL statement_timeout TO DEFAULT');
    return rows;
  }

  close(): void {
    this.closed = true;
  }

  async run<R extends object>(text: string, values: readonly unknown[] = [], more: QueryOptions = {}): Promise<pg.QueryResult<R>> {
    try {
      return await this.client.query<R>({ text, values: [...values], ...more });
    } catch (error) {
      throw classifyPostgresError(error);
    }
  }

  private assertOpen(): void {
    if (this.closed) throw new ClassifiedError('HANDLER_FAILED', 'the transaction has ended: a statement came after its work had returned');
  }
}

/** Names for texts, and no more of them than a server should keep plans for per connection. */
class StatementNames {
  private static readonly most = 100;
  private readonly names = new Map<string, string>();

  of(text: string): string | undefined {
    const known = this.names.get(text);
    if (known !== undefined || this.names.size >= StatementNames.most) return known;
    const name = `millrace_${this.names.size}`;
    this.names.set(text, name);
    return name;
  }
}
