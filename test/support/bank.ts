import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SILENT_LOGGER } from '../../core/log.ts';
import { startTrace } from '../../core/trace.ts';
import type { Cause } from '../../core/unit-of-work.ts';
import type { Database } from '../../runtime/postgres/database.ts';
import { createDatabase } from '../../runtime/postgres/database.ts';
import { migrateDomain } from '../../runtime/postgres/migrate.ts';
import type { PostgresUnitOfWork } from '../../runtime/postgres/unit-of-work.ts';
import { createUnitOfWork } from '../../runtime/postgres/unit-of-work.ts';
import { BANK_MIGRATION, bank, bankCatalogue, bankValidator } from './bank-domain.ts';
import type { TemporaryDatabases } from './temporary-databases.ts';
import { temporaryDatabases } from './temporary-databases.ts';

/** The bank's database, migrated and open. */
export interface Bank {
  readonly databases: TemporaryDatabases;
  readonly url: string;
  readonly stateFolder: string;
  readonly database: Database;
  readonly unitOfWork: PostgresUnitOfWork;
  count(table: string): Promise<number>;
  close(): Promise<void>;
}

interface BankOptions {
  readonly poolMax?: number;
  readonly snapshotEvery?: number;
  /** Left out: the server that all tests share. */
  readonly serverUrl?: string;
}

export async function openBank(label: string, options: BankOptions = {}): Promise<Bank> {
  const databases = temporaryDatabases(label, options.serverUrl);
  const stateFolder = await mkdtemp(join(tmpdir(), 'millrace-bank-'));
  await writeFile(join(stateFolder, '0001_accounts.sql'), BANK_MIGRATION);
  const url = databases.url('bank');
  await migrateDomain({ databaseUrl: url, domain: 'bank', stateFolder, logger: SILENT_LOGGER });
  const database = createDatabase({ url, domain: 'bank', poolMax: options.poolMax ?? 10, logger: SILENT_LOGGER });
  const unitOfWork = createUnitOfWork({
    database,
    domain: bank,
    catalogue: bankCatalogue,
    validator: bankValidator,
    logger: SILENT_LOGGER,
    snapshotEvery: options.snapshotEvery ?? 100,
  });
  return {
    databases,
    url,
    stateFolder,
    database,
    unitOfWork,
    async count(table) {
      const [row] = await database.query<{ rows: bigint }>(`SELECT count(*) AS rows FROM bank.${table}`);
      return Number(row?.rows);
    },
    async close() {
      await database.stop();
      await databases.dropAll();
      await rm(stateFolder, { recursive: true, force: true });
    },
  };
}

/** A request's cause: a trace of its own. */
export function aCause(cause: Omit<Cause, 'trace'> = {}): Cause {
  return { ...cause, trace: startTrace({ requestId: 'request-1' }, (length) => crypto.getRandomValues(new Uint8Array(length))) };
}
