import type { StateChange } from '../../core/define.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { qualified, quoteIdentifier } from './identifiers.ts';

/** One change as SQL with a single parameter, numbered by the caller: the row as JSON, which PostgreSQL reads by the columns' types. */
export interface ChangeStatement {
  readonly text: string;
  readonly row: string;
}

/** Written by the unit of work itself, and by nobody through a side door. */
const OWN_TABLES = new Set([
  'events',
  'snapshots',
  'outbox',
  'processed_events',
  'parked_records',
  'parked_revisions',
  'applied_migrations',
]);
const TABLE_NAME = /^[a-z_][a-z0-9_]{0,62}$/;

/**
 * @param parameter the number of the statement's parameter that will hold `row`.
 * @returns undefined when there is nothing to set.
 * @throws ClassifiedError DECISION_FAILED for a table outside the domain's state tables, or without a key.
 */
export function changeStatement(schema: string, change: StateChange, parameter: number): ChangeStatement | undefined {
  if (!TABLE_NAME.test(change.table) || OWN_TABLES.has(change.table) || change.table.startsWith('outbox_')) {
    throw new ClassifiedError('DECISION_FAILED', 'a state change names a table that is no state table of the domain');
  }
  const keys = Object.keys(change.key);
  if (keys.length === 0) throw new ClassifiedError('DECISION_FAILED', `a state change of ${change.table} has no key`);
  const table = qualified(schema, change.table);
  const source = `jsonb_populate_record(NULL::${table}, $${parameter}::jsonb) AS r`;
  const matches = keys.map((key) => `t.${quoteIdentifier(key)} = r.${quoteIdentifier(key)}`).join(' AND ');
  if (change.op === 'delete') return { text: `DELETE FROM ${table} AS t USING ${source} WHERE ${matches}`, row: rowJson(change.key) };

  const row = rowJson({ ...change.set, ...change.key });
  const columns = Object.keys(change.set).filter((column) => !keys.includes(column));
  if (change.op === 'update') {
    if (columns.length === 0) return undefined;
    const sets = columns.map((column) => `${quoteIdentifier(column)} = r.${quoteIdentifier(column)}`).join(', ');
    return { text: `UPDATE ${table} AS t SET ${sets} FROM ${source} WHERE ${matches}`, row };
  }
  const all = [...keys, ...columns].map(quoteIdentifier);
  const sets = columns.map((column) => `${quoteIdentifier(column)} = EXCLUDED.${quoteIdentifier(column)}`).join(', ');
  const conflict = `ON CONFLICT (${keys.map(quoteIdentifier).join(', ')}) DO ${columns.length === 0 ? 'NOTHING' : `UPDATE SET ${sets}`}`;
  return {
    text: `INSERT INTO ${table} (${all.join(', ')}) SELECT ${all.map((column) => `r.${column}`).join(', ')} FROM ${source} ${conflict}`,
    row,
  };
}

/**
 * Splits changes into groups that may be one statement each: within one statement the order is undefined and no row may be
 * changed twice, so a table appears once per group.
 */
export function statementGroups(changes: readonly StateChange[]): readonly (readonly StateChange[])[] {
  const groups: StateChange[][] = [];
  let tables = new Set<string>();
  for (const change of changes) {
    const current = groups.at(-1);
    if (current === undefined || tables.has(change.table)) {
      groups.push([change]);
      tables = new Set([change.table]);
    } else {
      current.push(change);
      tables.add(change.table);
    }
  }
  return groups;
}

function rowJson(row: JsonObject): string {
  return JSON.stringify(row);
}
