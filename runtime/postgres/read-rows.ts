import type { RowQuery } from '../../core/define.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Session } from './database.ts';
import { qualified, quoteIdentifier } from './identifiers.ts';
import { assertStateTable } from './state-change-sql.ts';

const ROWS_MAX = 1_000;

/**
 * Rows of a state table, as JSON by their columns' types. Rejects with DECISION_FAILED for another table or without a
 * condition, and with STATE_INVALID when there are more than a decision may look at.
 */
export async function readRows(session: Session, schema: string, { table, where }: RowQuery): Promise<readonly JsonObject[]> {
  assertStateTable(table);
  const columns = Object.keys(where).sort();
  if (columns.length === 0) throw new ClassifiedError('DECISION_FAILED', `a decision asks for all rows of ${table}`);
  const name = qualified(schema, table);
  const rows = await session.prepared<{ row: JsonObject }>(
    `SELECT to_jsonb(t) AS row FROM ${name} AS t, jsonb_populate_record(NULL::${name}, $1::jsonb) AS r
     WHERE ${columns.map((column) => `t.${quoteIdentifier(column)} = r.${quoteIdentifier(column)}`).join(' AND ')} LIMIT ${ROWS_MAX + 1}`,
    [JSON.stringify(where)],
  );
  if (rows.length > ROWS_MAX) throw new ClassifiedError('STATE_INVALID', `a decision asks for more than ${ROWS_MAX} rows of ${table}`);
  return rows.map(({ row }) => row);
}
