import { ClassifiedError } from '../../core/errors.ts';
import type { Sql } from './sql-session.ts';
import { quoteIdentifier } from './sql-session.ts';

export interface TablePublication {
  readonly name: string;
  readonly schema: string;
  /** `keyField`: the column that a record of a deleted row must still name. */
  readonly tables: readonly { readonly table: string; readonly keyField: string }[];
}

interface TableFacts {
  readonly table: string;
  readonly published: boolean;
  readonly full_identity: boolean;
  readonly key_in_primary: boolean;
}

/**
 * Makes the publication that yields every insert, update and delete of the tables, and of no others. A table whose primary
 * key does not hold its record key gets REPLICA IDENTITY FULL: else the old row of a delete would not say whose it was.
 * Returns what it changed, in words; nothing the second time.
 * @throws ClassifiedError CONFIGURATION_INVALID when a table or its column is missing, or the publication covers all tables.
 */
export async function ensureTablePublication(sql: Sql, publication: TablePublication): Promise<string[]> {
  const facts: TableFacts[] = [];
  for (const { table, keyField } of publication.tables) facts.push(await tableFacts(sql, publication, table, keyField));
  const changes: string[] = [];
  for (const { table, full_identity: full, key_in_primary: kept } of facts) {
    if (full || kept) continue;
    await sql.query(`ALTER TABLE ${qualified(publication.schema, table)} REPLICA IDENTITY FULL`);
    changes.push(`set ${publication.schema}.${table} to log whole old rows, for its record key is no part of its primary key`);
  }
  return [...changes, ...(await ensureMembers(sql, publication, facts))];
}

async function ensureMembers(sql: Sql, { name, schema, tables }: TablePublication, facts: readonly TableFacts[]): Promise<string[]> {
  const { rows } = await sql.query(
    `SELECT puballtables AS all_tables, pubinsert AND pubupdate AND pubdelete AS complete,
            (SELECT count(*)::int FROM pg_publication_rel r WHERE r.prpubid = p.oid) AS members
       FROM pg_publication p WHERE p.pubname = $1`,
    [name],
  );
  const found = rows[0] as { all_tables: boolean; complete: boolean; members: number } | undefined;
  const list = tables.map(({ table }) => qualified(schema, table)).join(', ');
  const shown = tables.map(({ table }) => `${schema}.${table}`).join(', ');
  const options = "publish = 'insert, update, delete', publish_via_partition_root = true";
  if (found === undefined) {
    await sql.query(`CREATE PUBLICATION ${quoteIdentifier(name)} FOR TABLE ${list} WITH (${options})`);
    return [`created publication ${name} for every change of ${shown}`];
  }
  if (found.all_tables) {
    throw new ClassifiedError('CONFIGURATION_INVALID', `the publication ${name} covers all tables; it must name its tables`);
  }
  const changes: string[] = [];
  if (found.members !== tables.length || facts.some(({ published }) => !published)) {
    await sql.query(`ALTER PUBLICATION ${quoteIdentifier(name)} SET TABLE ${list}`);
    changes.push(`set the tables of publication ${name} to ${shown}`);
  }
  if (!found.complete) {
    await sql.query(`ALTER PUBLICATION ${quoteIdentifier(name)} SET (${options})`);
    changes.push(`set publication ${name} to every change`);
  }
  return changes;
}

async function tableFacts(sql: Sql, { name, schema }: TablePublication, table: string, keyField: string): Promise<TableFacts> {
  const { rows } = await sql.query(
    `SELECT c.relreplident = 'f' AS full_identity,
            EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)) AS key_in_primary,
            EXISTS (SELECT 1 FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
                     WHERE p.pubname = $2 AND r.prrelid = c.oid AND r.prqual IS NULL AND r.prattrs IS NULL) AS published
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = $3 AND NOT a.attisdropped
      WHERE c.oid = to_regclass($1)`,
    [qualified(schema, table), name, keyField],
  );
  const facts = rows[0] as Omit<TableFacts, 'table'> | undefined;
  if (facts === undefined) {
    throw new ClassifiedError(
      'CONFIGURATION_INVALID',
      `there is no table ${schema}.${table} with a column ${keyField}: migrate the database first`,
    );
  }
  return { table, ...facts };
}

function qualified(schema: string, table: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(table)}`;
}
