import { SILENT_LOGGER } from '../../core/log.ts';
import type { Database } from '../../runtime/postgres/database.ts';
import { createDatabase } from '../../runtime/postgres/database.ts';
import { migrateDomain } from '../../runtime/postgres/migrate.ts';
import type { temporaryDatabases } from './temporary-databases.ts';

/** The platform's database with all its tables. Whoever opens it stops it before the databases are dropped. */
export async function openPlatformDatabase(databases: ReturnType<typeof temporaryDatabases>): Promise<Database> {
  const url = databases.url('millrace');
  await migrateDomain({ databaseUrl: url, domain: 'millrace', kind: 'platform', logger: SILENT_LOGGER });
  return createDatabase({ url, domain: 'millrace', logger: SILENT_LOGGER });
}
