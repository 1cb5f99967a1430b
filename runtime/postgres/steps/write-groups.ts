import type { DecidedStep } from './decide-step.ts';

/** Characters of payloads that one statement carries, about. */
const GROUP_CHARACTERS_MAX = 4_000_000;

/**
 * Splits decided steps into groups that one statement can write each: within a statement no row may be changed twice, and its
 * size is bounded. Steps keep their order.
 */
export function writeGroups<T extends DecidedStep>(steps: readonly T[]): readonly (readonly T[])[] {
  const groups: T[][] = [];
  let rows = new Set<string>();
  let keyColumns = new Map<string, string>();
  let characters = 0;
  for (const step of steps) {
    const size = step.rows.reduce((sum, { payloadJson }) => sum + payloadJson.length, 0);
    const current = groups.at(-1);
    const fits = current !== undefined && characters + size <= GROUP_CHARACTERS_MAX && !collides(step, rows, keyColumns);
    if (fits) {
      current.push(step);
    } else {
      groups.push([step]);
      rows = new Set();
      keyColumns = new Map();
      characters = 0;
    }
    characters += size;
    for (const { shape, rowName } of step.changes) {
      rows.add(rowName);
      keyColumns.set(shape.table, shape.keys.join(','));
    }
  }
  return groups;
}

/** Rows that are named by other columns cannot be compared: they count as the same one. */
function collides({ changes }: DecidedStep, rows: ReadonlySet<string>, keyColumns: ReadonlyMap<string, string>): boolean {
  return changes.some(({ shape, rowName }) => {
    const columns = shape.keys.join(',');
    return rows.has(rowName) || (keyColumns.get(shape.table) ?? columns) !== columns;
  });
}
