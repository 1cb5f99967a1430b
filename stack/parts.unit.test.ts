import { expect, test } from 'vitest';
import { CORE_PARTS, parseParts, PARTS } from './parts.ts';
import { StackError } from './stack-error.ts';

test('a list of parts may hold blanks and repetitions, and keeps the order of the stack', () => {
  expect(parseParts('kafka, postgres,kafka')).toEqual(['postgres', 'kafka']);
});

test('core and all are short for lists', () => {
  expect(parseParts('core')).toEqual(CORE_PARTS);
  expect(parseParts('all')).toEqual(PARTS);
});

test('an unknown part is refused with the known ones', () => {
  expect(() => parseParts('postgres,kibana')).toThrow(StackError);
  expect(() => parseParts('postgres,kibana')).toThrow(/'kibana'.*\n.*elasticsearch/);
});
