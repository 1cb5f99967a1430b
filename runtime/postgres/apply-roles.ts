import type { Logger } from '../../core/log.ts';
import type { Database } from './database.ts';
import { createDatabase } from './database.ts';
import type { RolePlan, RoleStatement } from './role-plan.ts';

/**
 * Runs the plans by an administrator's URL (its database is where the server-wide part runs). Sets no password: whoever may
 * log in gets one from a person. Any number of times. Returns the roles and databases that were made.
 *
 * Rejects with CONFIGURATION_INVALID when the administrator may not do it, POSTGRES_UNAVAILABLE.
 */
export async function applyRoles(adminUrl: string, plans: readonly RolePlan[], logger: Logger): Promise<readonly string[]> {
  const made: string[] = [];
  for (const plan of plans) {
    await withDatabase(adminUrl, undefined, logger, async (server) => {
      for (const statement of plan.server) {
        const first = statement.sql.split('\n', 1)[0] ?? '';
        if ((await run(server, statement)) && first.startsWith('CREATE ')) made.push(first.split(' ').slice(1, 3).join(' ').toLowerCase());
      }
    });
    await withDatabase(adminUrl, plan.database, logger, async (database) => {
      for (const statement of plan.inDatabase) await run(database, statement);
    });
  }
  return made;
}

async function run(database: Database, { sql, unless }: RoleStatement): Promise<boolean> {
  if (unless !== undefined && (await database.query(unless)).length > 0) return false;
  await database.execute(sql);
  return true;
}

async function withDatabase(
  adminUrl: string,
  name: string | undefined,
  logger: Logger,
  work: (database: Database) => Promise<void>,
): Promise<void> {
  const url = new URL(adminUrl);
  if (name !== undefined) url.pathname = `/${encodeURIComponent(name)}`;
  else if (url.pathname === '' || url.pathname === '/') url.pathname = '/postgres';
  const database = createDatabase({ url: url.href, domain: name ?? 'postgres', poolMax: 1, applicationName: 'millrace-init', logger });
  try {
    await work(database);
  } finally {
    await database.stop();
  }
}
