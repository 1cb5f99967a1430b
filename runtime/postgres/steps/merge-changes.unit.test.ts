import { describe, expect, it } from 'vitest';
import type { StateChange } from '../../../core/define.ts';
import type { JsonObject } from '../../../core/json.ts';
import { mergeChanges, rowName } from './merge-changes.ts';

const change = (op: 'upsert' | 'update', id: number, set: JsonObject, table = 't'): StateChange => ({ op, table, key: { id }, set });
const named = (id: string, set: JsonObject): StateChange => ({ op: 'upsert', table: 't', key: { id }, set });
const removed = (id: number): StateChange => ({ op: 'delete', table: 't', key: { id } });

describe('changes of one step', () => {
  it.each([
    ['two upserts of a row', [change('upsert', 1, { a: 1, b: 1 }), change('upsert', 1, { b: 2 })], [change('upsert', 1, { a: 1, b: 2 })]],
    ['an update behind an upsert', [change('upsert', 1, { a: 1 }), change('update', 1, { b: 2 })], [change('upsert', 1, { a: 1, b: 2 })]],
    ['two updates of a row', [change('update', 1, { a: 1 }), change('update', 1, { a: 2 })], [change('update', 1, { a: 2 })]],
    [
      'what lies between them in another table',
      [change('upsert', 1, { a: 1 }), change('upsert', 1, { x: 1 }, 'other'), change('upsert', 1, { a: 2 })],
      [change('upsert', 1, { a: 2 }), change('upsert', 1, { x: 1 }, 'other')],
    ],
    ['none', [], []],
  ])('become one statement: %s', (_, changes, merged) => {
    expect(mergeChanges(changes)).toEqual(merged);
  });

  it.each([
    ['an upsert behind an update, which may have found no row', [change('update', 1, { a: 1 }), change('upsert', 1, { b: 2 })]],
    ['whatever follows a deletion', [removed(1), change('upsert', 1, { a: 1 })]],
    ['a deletion behind anything', [change('upsert', 1, { a: 1 }), removed(1)]],
    ['two rows of a text key that differ in their capitals', [named('Oak', { a: 1 }), named('oak', { a: 2 })]],
    ['two spellings of one key', [change('upsert', 1, { a: 1 }), named('1', { a: 2 })]],
    ['two rows of one table, which may pass a unique value on', [change('update', 1, { a: null }), change('update', 2, { a: 1 })]],
  ])('keep their order and need statements of their own: %s', (_, changes) => {
    expect(mergeChanges(changes)).toBeUndefined();
  });

  it('know a row again in another spelling of its key', () => {
    const name = (key: JsonObject) => rowName({ table: 't', key });
    expect(name({ id: 1, b: 'x' })).toBe(name({ b: 'x', id: '1' }));
    expect(name({ id: '0E000000-0000-4000-8000-00000000000A' })).toBe(name({ id: '0e000000-0000-4000-8000-00000000000a' }));
    expect(name({ id: 1 })).not.toBe(name({ id: 2 }));
    expect(name({ a: 'x', b: 'y' })).not.toBe(name({ a: 'y', b: 'x' }));
  });
});
