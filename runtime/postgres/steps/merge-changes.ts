import { isDeepStrictEqual } from 'node:util';
import type { StateChange } from '../../../core/define.ts';
import type { JsonObject } from '../../../core/json.ts';
import { statementGroups } from '../state-change-sql.ts';

/**
 * Changes of one step that may be made in any order, with the same rows in the end: a later change of a row is made part of
 * the earlier one where that is the same. Undefined when the order matters: then they must be made one after another.
 */
export function mergeChanges(changes: readonly StateChange[]): readonly StateChange[] | undefined {
  if (changes.length <= 1) return changes;
  const merged: StateChange[] = [];
  const places = new Map<string, number>();
  for (const change of changes) {
    const row = rowName(change);
    const place = places.get(row);
    const earlier = place === undefined ? undefined : merged[place];
    if (place === undefined || earlier === undefined) {
      places.set(row, merged.push(change) - 1);
      continue;
    }
    // Another spelling of the key may mean another row, which only the column's type can tell.
    const both = isDeepStrictEqual(earlier.key, change.key) ? mergedChange(earlier, change) : undefined;
    if (both === undefined) return undefined;
    merged[place] = both;
  }
  return statementGroups(merged).length <= 1 ? merged : undefined;
}

/** An upsert leaves a row for whatever follows; an update leaves one only where there was one. */
function mergedChange(earlier: StateChange, later: StateChange): StateChange | undefined {
  if (earlier.op === 'delete' || later.op === 'delete') return undefined;
  if (earlier.op === 'update' && later.op === 'upsert') return undefined;
  return { ...earlier, set: { ...earlier.set, ...later.set } };
}

/**
 * A name that two changes share when they may mean the same row. PostgreSQL reads values by their column's type (`1` and
 * `"1"`, two spellings of one UUID), so that different rows may share one, but never the other way round.
 */
export function rowName({ table, key }: { readonly table: string; readonly key: JsonObject }): string {
  const values = Object.keys(key)
    .sort()
    .map((column) => [column, spelling(key[column])]);
  return `${table} ${JSON.stringify(values)}`;
}

function spelling(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.trim().toLowerCase();
}
