import { expect, test } from 'vitest';
import { OrderCheck } from './order-check.ts';

test('one record of a key at a time, in the order of their offsets, is fine, whatever other keys do', () => {
  const check = new OrderCheck(2, 10);
  check.begin(0, 0, 1);
  check.begin(1, 1, 5);
  check.end(0);
  check.begin(0, 0, 3);
  check.end(0);
  check.end(1);
  expect(check).toMatchObject({ distinct: 3, ended: 3, violations: 0, repeats: 0 });
});

test('a record beside another one of its key is a violation, and so is one behind a later one', () => {
  const beside = new OrderCheck(1, 10);
  beside.begin(0, 0, 1);
  beside.begin(0, 0, 2);
  expect(beside.violations).toBe(1);
  const behind = new OrderCheck(1, 10);
  behind.begin(0, 0, 2);
  behind.end(0);
  behind.begin(0, 0, 1);
  expect(behind.violations).toBe(1);
});

test('a record that comes again is a repetition and no violation', () => {
  const check = new OrderCheck(1, 10);
  for (const offset of [1, 2, 1, 2]) {
    check.begin(0, 0, offset);
    check.end(0);
  }
  expect(check).toMatchObject({ distinct: 2, violations: 0, repeats: 2 });
});
