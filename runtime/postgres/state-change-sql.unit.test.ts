import { describe, expect, it } from 'vitest';
import type { StateChange } from '../../core/define.ts';
import { changeStatement, statementGroups } from './state-change-sql.ts';

describe('a state change as SQL', () => {
  it('quotes every name and keeps every value in the parameter', () => {
    const evil = 'x" = 1; DROP TABLE users; --';
    const statement = changeStatement('a"b', { op: 'upsert', table: 'users', key: { id: "1'" }, set: { [evil]: "2'" } }, 7);
    expect(statement?.text).toContain('INSERT INTO "a""b"."users" ("id", "x"" = 1; DROP TABLE users; --")');
    expect(statement?.text).toContain('$7::jsonb');
    expect(statement?.text).not.toContain("1'");
    expect(JSON.parse(statement?.row ?? '')).toEqual({ id: "1'", [evil]: "2'" });
  });

  it('is nothing when an update sets nothing, and leaves an existing row alone when an upsert sets nothing', () => {
    expect(changeStatement('s', { op: 'update', table: 't', key: { id: 1 }, set: {} }, 1)).toBeUndefined();
    expect(changeStatement('s', { op: 'upsert', table: 't', key: { id: 1 }, set: {} }, 1)?.text).toContain('DO NOTHING');
  });

  it('without a key is refused: it would change every row', () => {
    expect(() => changeStatement('s', { op: 'delete', table: 't', key: {} }, 1)).toThrow('no key');
  });

  it('shares a statement with changes of other tables only, and keeps its place', () => {
    const change = (table: string, id: number): StateChange => ({ op: 'upsert', table, key: { id }, set: {} });
    const [a1, b1, b2, a2, c1] = [change('a', 1), change('b', 1), change('b', 2), change('a', 2), change('c', 1)] as const;
    expect(statementGroups([a1, b1, b2, a2, c1])).toEqual([
      [a1, b1],
      [b2, a2, c1],
    ]);
    expect(statementGroups([])).toEqual([]);
  });
});
