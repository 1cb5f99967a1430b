import { ClassifiedError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Database } from './database.ts';
import { qualified, quoteIdentifier } from './identifiers.ts';

/** Reference data that a deployment brings along: every row has the same columns, the key's among them. */
export interface Seed {
  readonly table: string;
  readonly key: readonly string[];
  readonly rows: readonly JsonObject[];
}

/**
 * Makes the rows be there with these values, and leaves other rows alone. Returns what it changed, one sentence per row,
 * and nothing the second time.
 */
export async function seedTable(database: Database, seed: Seed): Promise<readonly string[]> {
  const [first] = seed.rows;
  if (first === undefined) return [];
  const columns = Object.keys(first);
  if (seed.rows.some((row) => Object.keys(row).sort().join() !== [...columns].sort().join())) {
    throw new ClassifiedError('CONFIGURATION_INVALID', `the rows of seed ${seed.table} do not all have the same columns`);
  }
  const table = qualified(database.domain, seed.table);
  const names = columns.map(quoteIdentifier);
  const others = columns.filter((column) => !seed.key.includes(column)).map(quoteIdentifier);
  const keys = seed.key.map(quoteIdentifier);
  const row = (source: string): string => `(${others.map((column) => `${source}.${column}`).join(', ')})`;
  const action =
    others.length === 0
      ? 'NOTHING'
      : `UPDATE SET ${others.map((column) => `${column} = EXCLUDED.${column}`).join(', ')}
         WHERE ${row('t')} IS DISTINCT FROM ${row('EXCLUDED')}`;
  const changed = await database.query<{ key: string }>(
    `INSERT INTO ${table} AS t (${names.join(', ')})
     SELECT ${names.map((column) => `r.${column}`).join(', ')} FROM jsonb_populate_recordset(NULL::${table}, $1::jsonb) AS r
     ON CONFLICT (${keys.join(', ')}) DO ${action}
     RETURNING concat_ws('/', ${keys.map((column) => `t.${column}`).join(', ')}) AS key`,
    [JSON.stringify(seed.rows)],
  );
  return changed.map(({ key }) => `${database.domain}: seeded ${seed.table} ${key}`);
}
