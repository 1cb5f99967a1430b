import type { StateChange } from '../../core/define.ts';
import type { Json, JsonObject } from '../../core/json.ts';

/** State tables in memory, with what the three operations mean: rows by table, in the order in which they were made. */
export function applyChanges(changes: readonly StateChange[]): ReadonlyMap<string, readonly JsonObject[]> {
  const tables = new Map<string, Map<string, Record<string, Json>>>();
  for (const change of changes) {
    const rows = tables.get(change.table) ?? new Map<string, Record<string, Json>>();
    tables.set(change.table, rows);
    const key = JSON.stringify(change.key);
    const present = rows.get(key);
    if (change.op === 'delete') rows.delete(key);
    else if (change.op === 'upsert' || present !== undefined) rows.set(key, { ...change.key, ...present, ...change.set });
  }
  return new Map([...tables].map(([table, rows]) => [table, [...rows.values()]]));
}
