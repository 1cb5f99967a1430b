import { quoteIdentifier } from './identifiers.ts';

export interface RolePlanOptions {
  readonly domain: string;
  readonly database: string;
  /** The name of the publication; undefined for a domain that nothing captures. */
  readonly publication: string | undefined;
  /** Tables of the schema that are captured whole: the capture role copies their rows once. */
  readonly tables?: readonly string[];
  readonly rolePrefix: string;
}

/** SQL that changes nothing the second time. */
export interface RoleStatement {
  readonly sql: string;
  /** A query: the statement is left out when it finds a row. For what SQL cannot make conditional. */
  readonly unless?: string;
}

/** The roles of one domain's database, by what they may do. None is a superuser, none has a password here. */
export interface RolePlan {
  readonly domain: string;
  readonly database: string;
  readonly roles: {
    /** Owns database, schema and tables: `apply`, and the relay's process for the upkeep. */
    readonly owner: string;
    /** Reads and writes rows: API, processors, projectors. Only inserts into outbox and events. */
    readonly app: string;
    /** Reads the write-ahead log, the outbox, and tables that are captured whole; undefined where nothing is captured. */
    readonly capture: string | undefined;
  };
  /** For any database of the server. */
  readonly server: readonly RoleStatement[];
  /** For the domain's own database: before the first `apply`; later ones grant `rights` themselves. */
  readonly inDatabase: readonly RoleStatement[];
  /** The part of it that the owner of the tables may run: rights on the tables that are there. */
  readonly rights: string;
}

export const EVERYTHING = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const;
export type TableRight = (typeof EVERYTHING)[number];

/**
 * The tables in which the app role may not do everything: what is written once, and what only the owner's commands and upkeep write
 * (who captures, what the capture remembers, what the inbox has forgotten: whoever changed these could have events lost, or effects
 * made twice). The upkeep of a domain that nothing captures is its processor's.
 */
export function limitedRights(isCaptured: boolean): ReadonlyMap<string, readonly TableRight[]> {
  return new Map<string, readonly TableRight[]>([
    ['outbox', ['INSERT']],
    ['events', ['SELECT', 'INSERT']],
    ['dead_letter_audit', ['SELECT', 'INSERT']],
    ['capture_owner', ['SELECT']],
    ['capture_sources', ['SELECT']],
    ['inbox_horizon', isCaptured ? ['SELECT'] : ['SELECT', 'INSERT', 'UPDATE']],
  ]);
}

/** What the app role may do in a table that is not its owner's alone. */
export function appRights(table: string, isCaptured: boolean): readonly TableRight[] {
  return limitedRights(isCaptured).get(table) ?? EVERYTHING;
}

/** Nobody but their owner reads or writes these. */
export const OWNER_ONLY_TABLES = ['outbox_barriers', 'applied_migrations'] as const;

/** PostgreSQL cuts longer names off, silently. */
const NAME_BYTES_MAX = 63;

/** @throws RangeError when the prefix makes no role name. */
export function planRoles(options: RolePlanOptions): RolePlan {
  const { domain, database, publication, rolePrefix } = options;
  if (!/^[a-z][a-z0-9_]*$/.test(rolePrefix))
    throw new RangeError('the role prefix: lower-case letters, digits and underscores, starting with a letter');
  const role = (duty: string): string => {
    const name = `${rolePrefix}_${domain}_${duty}`;
    if (Buffer.byteLength(name) > NAME_BYTES_MAX) throw new RangeError(`the role name ${name} is longer than ${NAME_BYTES_MAX} bytes`);
    return name;
  };
  const roles = { owner: role('owner'), app: role('app'), capture: publication === undefined ? undefined : role('capture') };
  const rights = tableGrants(domain, roles.app, roles.capture, options.tables ?? []);
  return {
    ...{ domain, database, roles, rights },
    server: serverStatements(database, roles),
    inDatabase: databaseStatements(domain, publication, roles, rights),
  };
}

function serverStatements(database: string, { owner, app, capture }: RolePlan['roles']): RoleStatement[] {
  const create = (name: string, attributes: string): RoleStatement => ({
    sql: `CREATE ROLE ${quoteIdentifier(name)} ${attributes}`,
    unless: `SELECT 1 FROM pg_roles WHERE rolname = ${literal(name)}`,
  });
  const db = quoteIdentifier(database);
  const guests = [app, ...(capture === undefined ? [] : [capture])].map(quoteIdentifier).join(', ');
  return [
    create(owner, 'LOGIN'),
    create(app, 'LOGIN'),
    ...(capture === undefined ? [] : [create(capture, 'LOGIN REPLICATION CONNECTION LIMIT 20')]),
    {
      sql: `CREATE DATABASE ${db} OWNER ${quoteIdentifier(owner)}`,
      unless: `SELECT 1 FROM pg_database WHERE datname = ${literal(database)}`,
    },
    { sql: `ALTER DATABASE ${db} OWNER TO ${quoteIdentifier(owner)}` },
    // Nobody else comes in, and nobody makes temporary tables.
    { sql: `REVOKE ALL ON DATABASE ${db} FROM PUBLIC` },
    { sql: `GRANT CONNECT ON DATABASE ${db} TO ${guests}` },
  ];
}

function databaseStatements(
  domain: string,
  publication: string | undefined,
  { owner, app, capture }: RolePlan['roles'],
  rights: string,
): RoleStatement[] {
  const schema = quoteIdentifier(domain);
  const guests = [app, ...(capture === undefined ? [] : [capture])].map(quoteIdentifier).join(', ');
  return [
    { sql: 'REVOKE ALL ON SCHEMA public FROM PUBLIC' },
    { sql: `CREATE SCHEMA IF NOT EXISTS ${schema} AUTHORIZATION ${quoteIdentifier(owner)}` },
    { sql: `ALTER SCHEMA ${schema} OWNER TO ${quoteIdentifier(owner)}` },
    { sql: `REVOKE ALL ON SCHEMA ${schema} FROM PUBLIC` },
    { sql: `GRANT USAGE ON SCHEMA ${schema} TO ${guests}` },
    { sql: rights },
    ...(publication === undefined ? [] : [{ sql: publicationOwner(publication, owner) }]),
  ];
}

/**
 * By the tables that are there. A partition of the outbox is written and read through the outbox alone; barriers and applied
 * migrations are the owner's.
 */
function tableGrants(schema: string, app: string, capture: string | undefined, tables: readonly string[]): string {
  const guests = [app, ...(capture === undefined ? [] : [capture])];
  const limits = [...limitedRights(capture !== undefined)]
    .map(([table, rights]) => `      WHEN t.name = ${literal(table)} THEN ${literal(rights.join(', '))}`)
    .join('\n');
  const revoke = guests
    .map((role) => `    EXECUTE format('REVOKE ALL ON %I.%I FROM %I', ${literal(schema)}, t.name, ${literal(role)});`)
    .join('\n');
  return `DO $grants$
DECLARE
  t record;
  rights text;
BEGIN
  FOR t IN
    SELECT c.relname AS name, c.relispartition AS is_partition FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ${literal(schema)} AND c.relkind IN ('r', 'p')
  LOOP
${revoke}
    rights := CASE
      WHEN t.is_partition OR t.name IN (${OWNER_ONLY_TABLES.map(literal).join(', ')}) THEN NULL
${limits}
      ELSE ${literal(EVERYTHING.join(', '))} END;
    IF rights IS NOT NULL THEN
      EXECUTE format('GRANT %s ON %I.%I TO %I', rights, ${literal(schema)}, t.name, ${literal(app)});
    END IF;${
      capture === undefined
        ? ''
        : `
    IF t.name IN (${['outbox', ...tables].map(literal).join(', ')}) THEN
      EXECUTE format('GRANT SELECT ON %I.%I TO %I', ${literal(schema)}, t.name, ${literal(capture)});
    END IF;`
    }
  END LOOP;
END
$grants$`;
}

/** `apply` makes it by the owner's role; one that somebody else made earlier changes hands. */
function publicationOwner(publication: string, owner: string): string {
  return `DO $publication$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_publication WHERE pubname = ${literal(publication)}) THEN
    ALTER PUBLICATION ${quoteIdentifier(publication)} OWNER TO ${quoteIdentifier(owner)};
  END IF;
END
$publication$`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
