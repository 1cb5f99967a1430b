import type { StateChange } from '../../core/define.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { qualified, quoteIdentifier } from './identifiers.ts';

/** One change as SQL with a single parameter, numbered by the caller: the row as JSON, which PostgreSQL reads by the columns' types. */
export interface ChangeStatement {
  readonly text: string;
  readonly row: string;
}

/** What changes have in common that differ in their values only: one statement can make them all. */
export interface ChangeShape {
  readonly op: StateChange['op'];
  readonly table: string;
  /** Sorted by name, like the columns that are set. */
  readonly keys: readonly string[];
  readonly columns: readonly string[];
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
 * @returns undefined when there is nothing to set.
 * @throws ClassifiedError DECISION_FAILED for a table outside the domain's state tables, or without a key.
 */
export function shapeOf(change: StateChange): ChangeShape | undefined {
  const { op, table } = change;
  assertStateTable(table);
  const keys = sorted(Object.keys(change.key));
  if (keys.length === 0) throw new ClassifiedError('DECISION_FAILED', `a state change of ${table} has no key`);
  const columns = change.op === 'delete' ? [] : Object.keys(change.set).filter((column) => !keys.includes(column));
  return op === 'update' && columns.length === 0 ? undefined : { op, table, keys, columns: sorted(columns) };
}

/** In place. Most keys have one column, and sorting takes memory also then. */
function sorted(names: string[]): string[] {
  return names.length < 2 ? names : names.sort();
}

/** @throws ClassifiedError DECISION_FAILED */
export function assertStateTable(table: string): void {
  if (!TABLE_NAME.test(table) || OWN_TABLES.has(table) || table.startsWith('outbox_')) {
    throw new ClassifiedError('DECISION_FAILED', 'a decision names a table that is no state table of the domain');
  }
}

/** The row that a change writes or names: its key wins over a value of the same name. */
export function rowOf(change: StateChange): JsonObject {
  return change.op === 'delete' ? change.key : { ...change.set, ...change.key };
}

/** @param source what follows FROM: it yields `r`, a row of the table, once for each row to be changed. */
export function shapeStatement(schema: string, shape: ChangeShape, source: string): string {
  const table = qualified(schema, shape.table);
  const keys = shape.keys.map(quoteIdentifier);
  const columns = shape.columns.map(quoteIdentifier);
  const matches = keys.map((key) => `t.${key} = r.${key}`).join(' AND ');
  if (shape.op === 'delete') return `DELETE FROM ${table} AS t USING ${source} WHERE ${matches}`;
  if (shape.op === 'update') {
    return `UPDATE ${table} AS t SET ${columns.map((column) => `${column} = r.${column}`).join(', ')} FROM ${source} WHERE ${matches}`;
  }
  const all = [...keys, ...columns];
  const set = columns.map((column) => `${column} = EXCLUDED.${column}`).join(', ');
  // In one order by whoever writes many rows, so that two of them wait for each other in one direction only.
  return `INSERT INTO ${table} (${all.join(', ')}) SELECT ${all.map((column) => `r.${column}`).join(', ')} FROM ${source}
    ORDER BY ${keys.map((key) => `r.${key}`).join(', ')}
    ON CONFLICT (${keys.join(', ')}) DO ${columns.length === 0 ? 'NOTHING' : `UPDATE SET ${set}`}`;
}

/**
 * @param parameter the number of the statement's parameter that will hold `row`.
 * @returns undefined when there is nothing to set.
 * @throws as `shapeOf`.
 */
export function changeStatement(schema: string, change: StateChange, parameter: number): ChangeStatement | undefined {
  const shape = shapeOf(change);
  if (shape === undefined) return undefined;
  const source = `jsonb_populate_record(NULL::${qualified(schema, shape.table)}, $${parameter}::jsonb) AS r`;
  return { text: shapeStatement(schema, shape, source), row: JSON.stringify(rowOf(change)) };
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
