import { ClassifiedError } from '../../core/errors.ts';
import type { Sql } from './sql-session.ts';
import { quoteIdentifier } from './sql-session.ts';

export interface PublicationDeclaration {
  readonly name: string;
  readonly schema: string;
  readonly table: string;
}

/** What the catalogue says of a publication and its table at one moment. */
export interface PublicationSighting {
  /** Another text after whatever was done to the publication or to its hold on the table, even if it was undone since. */
  readonly version: string;
  /** Every insert into the table is published, with all its columns. */
  readonly whole: boolean;
  /** No transaction is about to change it. One whose commit record is written already can still count as open for a moment. */
  readonly settled: boolean;
}

interface PublicationRow {
  readonly inserts_only: boolean;
  readonly via_root: boolean;
  readonly all_tables: boolean;
  readonly has_table: boolean;
  readonly narrowed: boolean;
}

/**
 * Makes the publication that yields the inserts of one table, under the root's name when the table is partitioned.
 * Returns what it changed, in words; nothing the second time. Tables that somebody added stay: the relay ignores them.
 * @throws ClassifiedError CONFIGURATION_INVALID when the table is missing, or the publication covers all tables or filters.
 */
export async function ensurePublication(sql: Sql, declaration: PublicationDeclaration): Promise<string[]> {
  const name = quoteIdentifier(declaration.name);
  const table = `${quoteIdentifier(declaration.schema)}.${quoteIdentifier(declaration.table)}`;
  const shown = `${declaration.schema}.${declaration.table}`;
  const { rows } = await sql.query('SELECT to_regclass($1) IS NOT NULL AS exists', [table]);
  if (!(rows[0] as { exists: boolean }).exists) {
    throw new ClassifiedError('CONFIGURATION_INVALID', `the table ${shown} does not exist: migrate the database first`);
  }
  const found = await readPublication(sql, declaration, table);
  const options = "publish = 'insert', publish_via_partition_root = true";
  if (found === undefined) {
    await sql.query(`CREATE PUBLICATION ${name} FOR TABLE ${table} WITH (${options})`);
    return [`created publication ${declaration.name} for inserts into ${shown}`];
  }
  if (found.all_tables) {
    throw new ClassifiedError('CONFIGURATION_INVALID', `the publication ${declaration.name} covers all tables; it must name its table`);
  }
  if (found.narrowed) {
    throw new ClassifiedError('CONFIGURATION_INVALID', `the publication ${declaration.name} filters rows or columns of ${shown}`);
  }
  const changes: string[] = [];
  if (!found.has_table) {
    await sql.query(`ALTER PUBLICATION ${name} ADD TABLE ${table}`);
    changes.push(`added ${shown} to publication ${declaration.name}`);
  }
  if (!found.inserts_only || !found.via_root) {
    await sql.query(`ALTER PUBLICATION ${name} SET (${options})`);
    changes.push(`set publication ${declaration.name} to inserts under the root's name`);
  }
  return changes;
}

/**
 * As `ensurePublication`, and puts right what that leaves to a person: one that filters or covers all tables. `isNew` when it is
 * another publication than before, which no slot that is there already will ever see.
 * @throws ClassifiedError CONFIGURATION_INVALID when the table is missing.
 */
export async function mendPublication(
  sql: Sql,
  declaration: PublicationDeclaration,
): Promise<{ readonly changes: readonly string[]; readonly isNew: boolean }> {
  const name = quoteIdentifier(declaration.name);
  const table = `${quoteIdentifier(declaration.schema)}.${quoteIdentifier(declaration.table)}`;
  const found = await readPublication(sql, declaration, table);
  const isNew = found === undefined || found.all_tables;
  const changes: string[] = [];
  if (found?.all_tables === true) {
    await dropPublication(sql, declaration.name);
    changes.push(`dropped publication ${declaration.name}, which covered all tables`);
  } else if (found?.narrowed === true) {
    await sql.query(`ALTER PUBLICATION ${name} DROP TABLE ${table}; ALTER PUBLICATION ${name} ADD TABLE ${table}`);
    changes.push(`took the filter of ${declaration.schema}.${declaration.table} out of publication ${declaration.name}`);
  }
  return { changes: [...changes, ...(await ensurePublication(sql, declaration))], isNew };
}

export async function publicationExists(sql: Sql, name: string): Promise<boolean> {
  const { rows } = await sql.query('SELECT 1 FROM pg_publication WHERE pubname = $1', [name]);
  return rows.length > 0;
}

/**
 * Undefined when there is no such publication. `settled` rests on the order in which the server works: a change marks the
 * catalogue's row before its commit record is written, so a look that begins after that record was received finds either the
 * change or its mark.
 */
export async function sightPublication(sql: Sql, declaration: PublicationDeclaration): Promise<PublicationSighting | undefined> {
  const table = `${quoteIdentifier(declaration.schema)}.${quoteIdentifier(declaration.table)}`;
  const { rows } = await sql.query(
    `WITH oldest AS (SELECT age(pg_snapshot_xmin(pg_current_snapshot())::xid) AS age)
     SELECT concat_ws('/', p.oid, p.xmin, r.oid, r.xmin) AS version,
            p.pubinsert AND p.pubviaroot AND r.oid IS NOT NULL AND r.prqual IS NULL AND r.prattrs IS NULL AS whole,
            age(p.xmax) > oldest.age AND coalesce(age(r.xmax) > oldest.age, true) AS settled
       FROM oldest, pg_publication p
       LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = to_regclass($2)
      WHERE p.pubname = $1`,
    [declaration.name, table],
  );
  return rows[0] as PublicationSighting | undefined;
}

export async function dropPublication(sql: Sql, name: string): Promise<void> {
  await sql.query(`DROP PUBLICATION IF EXISTS ${quoteIdentifier(name)}`);
}

async function readPublication(sql: Sql, declaration: PublicationDeclaration, table: string): Promise<PublicationRow | undefined> {
  const { rows } = await sql.query(
    `SELECT pubinsert AND NOT pubupdate AND NOT pubdelete AND NOT pubtruncate AS inserts_only,
            pubviaroot AS via_root,
            puballtables AS all_tables,
            EXISTS (SELECT 1 FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = to_regclass($2)) AS has_table,
            EXISTS (SELECT 1 FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = to_regclass($2)
                       AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL)) AS narrowed
       FROM pg_publication p
      WHERE p.pubname = $1`,
    [declaration.name, table],
  );
  return rows[0] as PublicationRow | undefined;
}
