import { ClassifiedError } from '../../core/errors.ts';
import type { Database } from './database.ts';
import type { RolePlan, RolePlanOptions, TableRight } from './role-plan.ts';
import { EVERYTHING, OWNER_ONLY_TABLES, appRights, limitedRights, planRoles } from './role-plan.ts';

export interface GrantOutcome {
  /** What was changed, in words; empty the second time. */
  readonly changes: readonly string[];
  /** What is missing and cannot be granted by this role, with the command that does it. */
  readonly leftOut: readonly string[];
}

const NOTHING: GrantOutcome = { changes: [], leftOut: [] };

/**
 * Gives the roles that `init` made their rights on tables that came since, as the owner of the tables may. By what the
 * database says: a schema without an owner of `init`'s, or roles that have all their rights, need nothing. Any number of times.
 * Rejects with POSTGRES_UNAVAILABLE.
 */
export async function grantRights(
  database: Database,
  { domain, publication, tables = [] }: Pick<RolePlanOptions, 'domain' | 'publication' | 'tables'>,
): Promise<GrantOutcome> {
  const rolePrefix = await prefixOf(database, domain);
  if (rolePrefix === undefined) return NOTHING;
  const { roles, rights } = planRoles({ domain, database: domain, publication, tables, rolePrefix });
  const guests = [roles.app, ...(roles.capture === undefined ? [] : [roles.capture])];
  const known = await database.query<{ name: string }>('SELECT rolname AS name FROM pg_roles WHERE rolname = ANY ($1::text[])', [guests]);
  const lacking = known.length < guests.length ? ['a role'] : await tablesWithoutRights(database, domain, roles, tables);
  if (lacking.length === 0) return NOTHING;
  const init = `\`millrace init --domain ${domain}${rolePrefix === 'millrace' ? '' : ` --role-prefix ${rolePrefix}`} --apply --admin-url <administrator>\``;
  if (known.length < guests.length) return { changes: [], leftOut: [`${domain}: a role of ${guests.join(', ')} is missing: run ${init}`] };
  try {
    await database.execute(rights);
    return { changes: [`${domain}: granted ${guests.join(' and ')} their rights on ${lacking.join(', ')}`], leftOut: [] };
  } catch (error) {
    if (!(error instanceof ClassifiedError) || error.code !== 'CONFIGURATION_INVALID') throw error;
    return { changes: [], leftOut: [`${domain}: ${guests.join(' and ')} have not their rights on ${lacking.join(', ')}: run ${init}`] };
  }
}

/** Of the owner that `init` gave the schema. */
async function prefixOf(database: Database, domain: string): Promise<string | undefined> {
  const [row] = await database.query<{ owner: string }>(
    'SELECT pg_get_userbyid(nspowner)::text AS owner FROM pg_namespace WHERE nspname = $1',
    [domain],
  );
  const suffix = `_${domain}_owner`;
  const prefix = row?.owner.endsWith(suffix) === true ? row.owner.slice(0, -suffix.length) : '';
  return /^[a-z][a-z0-9_]*$/.test(prefix) ? prefix : undefined;
}

/** And those in which the app role may more than it needs, from before it was known. */
async function tablesWithoutRights(
  database: Database,
  schema: string,
  { app, capture }: RolePlan['roles'],
  tables: readonly string[],
): Promise<readonly string[]> {
  const rows = await database.query<{ name: string; has: TableRight[]; given: TableRight[]; is_readable: boolean }>(
    `SELECT c.relname::text AS name,
            ARRAY(SELECT r FROM unnest($5::text[]) AS r WHERE has_table_privilege($2, c.oid, r)) AS has,
            ARRAY(SELECT a.privilege_type FROM aclexplode(c.relacl) AS a WHERE a.grantee = to_regrole(quote_ident($2)))::text[] AS given,
            $3::text IS NULL OR has_table_privilege($3, c.oid, 'SELECT') AS is_readable
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> ALL ($4::text[])
      ORDER BY c.relname`,
    [schema, app, capture ?? null, OWNER_ONLY_TABLES, EVERYTHING],
  );
  const isCaptured = capture !== undefined;
  const limited = limitedRights(isCaptured);
  const copied = new Set(['outbox', ...tables]);
  return rows
    .filter(({ name, has, given, is_readable }) => {
      const wanted = appRights(name, isCaptured);
      const lacks = wanted.some((right) => !has.includes(right)) || (copied.has(name) && !is_readable);
      return lacks || (limited.has(name) && given.some((right) => !wanted.includes(right)));
    })
    .map(({ name }) => name);
}
