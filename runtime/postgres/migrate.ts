import pg from 'pg';
import { ClassifiedError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { classifyPostgresError, PostgresFault } from './classify-postgres-error.ts';
import type { Session } from './database.ts';
import { createDatabase } from './database.ts';
import { quoteIdentifier } from './identifiers.ts';
import type { DatabaseKind, MigrationFile } from './migration-files.ts';
import { migrationFiles, pendingMigrations } from './migration-files.ts';
import { ensureOutboxPartitions } from './outbox-partitions.ts';

export interface MigrateOptions {
  /** The domain's own database, which need not exist yet. */
  readonly databaseUrl: string;
  /** Where the right to create the database is; by default the same server and role, database `postgres`. */
  readonly adminUrl?: string;
  /** Name of the domain, and of the schema that holds its tables. */
  readonly domain: string;
  /** `platform` has no event store. */
  readonly kind?: DatabaseKind;
  /** SQL files of the state tables; by default the shipped ones. */
  readonly stateFolder?: string;
  /** Outbox partitions made ahead, today not counted. */
  readonly daysAhead?: number;
  /** Called when the database is there, before anything is made in it; what it throws leaves it as it is. */
  readonly check?: (session: Session) => Promise<void>;
  readonly logger: Logger;
}

/** Files may build indexes and rewrite tables; still, a migration that hangs must end. */
const MIGRATION_TIMEOUT_MS = 10 * 60_000;

/**
 * Brings one domain's database to where this version wants it: the database itself, its schema and tables, and the outbox's
 * partitions of the coming days. Returns what it changed, one sentence each, and nothing the second time. Any number of
 * processes may do this at once. Each database changes in one transaction, or not at all.
 *
 * Rejects with CONFIGURATION_INVALID (no right to create, a changed file) or POSTGRES_UNAVAILABLE.
 */
export async function migrateDomain(options: MigrateOptions): Promise<readonly string[]> {
  const kind = options.kind ?? 'domain';
  const files = await migrationFiles(kind, options.domain, options.stateFolder);
  const changes: string[] = [];
  if (await createDatabaseIfMissing(options)) changes.push(`${options.domain}: created database ${databaseName(options.databaseUrl)}`);

  const database = createDatabase({
    url: options.databaseUrl,
    domain: options.domain,
    poolMax: 1,
    applicationName: 'millrace-migrate',
    logger: options.logger,
    statementTimeoutMs: MIGRATION_TIMEOUT_MS,
  });
  try {
    await options.check?.(database);
    const applied = await database.transaction((session) => applyPending(session, options.domain, files));
    changes.push(...applied.map((name) => `${options.domain}: applied ${name}`));
    if (kind === 'domain') {
      const partitions = await ensureOutboxPartitions(database, options.domain, { daysAhead: options.daysAhead ?? 7 });
      changes.push(...partitions.made.map((name) => `${options.domain}: made outbox partition ${name}`));
      for (const skipped of partitions.skipped) options.logger.warn({ domain: options.domain, partition: skipped.name }, skipped.reason);
    }
    return changes;
  } finally {
    await database.stop();
  }
}

async function applyPending(session: Session, domain: string, files: readonly MigrationFile[]): Promise<readonly string[]> {
  const schema = quoteIdentifier(domain);
  await session.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`millrace migrate ${domain}`]);
  const [existing] = await session.query<{ present: boolean }>(
    `SELECT to_regclass($1) IS NOT NULL AS present`, // quietly false when the schema is missing
    [`${schema}.applied_migrations`],
  );
  if (existing?.present !== true) await createLedger(session, schema);
  const rows = await session.query<{ name: string; checksum: string }>(`SELECT name, checksum FROM ${schema}.applied_migrations`);
  const pending = pendingMigrations(files, new Map(rows.map((row) => [row.name, row.checksum])));
  // The files name tables without a schema; functions that say FROM CURRENT keep this path.
  await session.execute(`SET LOCAL search_path TO ${schema}, pg_temp`);
  for (const file of pending) {
    await applyFile(session, file);
    await session.execute(`INSERT INTO ${schema}.applied_migrations (name, checksum) VALUES ($1, $2)`, [file.name, file.checksum]);
  }
  return pending.map((file) => file.name);
}

async function createLedger(session: Session, schema: string): Promise<void> {
  await session.execute(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
  await session.execute(
    `CREATE TABLE ${schema}.applied_migrations (
       name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
  );
}

async function applyFile(session: Session, file: MigrationFile): Promise<void> {
  try {
    await session.execute(file.sql);
  } catch (error) {
    if (error instanceof ClassifiedError && error.code === 'POSTGRES_UNAVAILABLE') throw error;
    const detail = error instanceof ClassifiedError && error.cause instanceof PostgresFault ? `: ${error.cause.message}` : '';
    throw new ClassifiedError('CONFIGURATION_INVALID', `migration ${file.name} failed${detail}`, { cause: error });
  }
}

/** True when it was missing and is there now. */
async function createDatabaseIfMissing(options: MigrateOptions): Promise<boolean> {
  const name = databaseName(options.databaseUrl);
  if (await databaseExists(options.databaseUrl)) return false;
  const adminUrl = options.adminUrl ?? withDatabase(options.databaseUrl, 'postgres');
  const client = await connect(adminUrl);
  try {
    await client.query(`CREATE DATABASE ${quoteIdentifier(name)}`);
    return true;
  } catch (error) {
    const state = (error as { readonly code?: unknown }).code;
    // Another process made it first: duplicate_database, or the catalogue's own unique key when both were at it at once.
    if (state === '42P04' || state === '23505') return false;
    if (state === '42501') {
      throw new ClassifiedError(
        'CONFIGURATION_INVALID',
        `database ${name} does not exist and this role may not create it; create it, or grant CREATEDB`,
        { cause: classifyPostgresError(error) },
      );
    }
    throw classifyPostgresError(error);
  } finally {
    await client.end();
  }
}

async function databaseExists(url: string): Promise<boolean> {
  try {
    await (await connect(url)).end();
    return true;
  } catch (error) {
    if (error instanceof ClassifiedError && error.cause instanceof PostgresFault && error.cause.sqlState === '3D000') return false;
    throw error;
  }
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5_000, application_name: 'millrace-migrate' });
  // A connection that dies between two statements says so by an event; the next statement fails and is classified.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    throw classifyPostgresError(error);
  }
}

function databaseName(url: string): string {
  const name = decodeURIComponent(new URL(url).pathname.slice(1));
  if (name === '') throw new ClassifiedError('CONFIGURATION_INVALID', 'the database URL names no database');
  return name;
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(name)}`;
  return changed.href;
}
