import { expect, test } from 'vitest';
import { utf8 } from '../../core/record.ts';
import { rowNumber } from './outbox-table.ts';
import { TopicCheck } from './verify.ts';

const id = (row: number): string => `00000000-0000-4000-8000-${row.toString(16).padStart(12, '0')}`;

const record = (row: number, key = `user-${row % 2}`) => ({ key: utf8(key), headers: [['id', utf8(id(row))] as const] });

test('an id tells its row', () => {
  for (const row of [1, 9, 10, 255, 4_096, 1_000_000, 0xabcdef]) expect(rowNumber(utf8(id(row)))).toBe(row);
});

test('all rows in order for each key are fine, duplicates are counted', () => {
  const check = new TopicCheck({ first: 11, rows: 4 });
  for (const row of [12, 11, 12, 13]) check.see(record(row));
  expect(check.complete).toBe(false);
  check.see(record(14));
  expect(check).toMatchObject({ complete: true, duplicates: 1, fault: undefined });
});

test('a row that comes after a later one of its key is a fault', () => {
  const check = new TopicCheck({ first: 11, rows: 4 });
  for (const row of [13, 11]) check.see(record(row));
  expect(check.fault).toBe('row 11 of user-1 comes after a later one');
});

test('a row that was never written is a fault, and so is a record without an id', () => {
  const foreign = new TopicCheck({ first: 11, rows: 4 });
  foreign.see(record(15));
  expect(foreign.fault).toContain('was not written');
  const nameless = new TopicCheck({ first: 11, rows: 4 });
  nameless.see({ key: utf8('user-1'), headers: [] });
  expect(nameless.fault).toContain('(none)');
});
