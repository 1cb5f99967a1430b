import { expect, test } from 'vitest';
import { countTests } from './test-counts.ts';

const file = (status: string, ...tests: string[]) => ({ status, assertionResults: tests.map((result) => ({ status: result })) });

test('tests count by their own result, and skipped ones not at all', () => {
  expect(countTests({ testResults: [file('passed', 'passed', 'skipped', 'todo'), file('failed', 'failed', 'passed')] })).toEqual({
    passed: 2,
    failed: 1,
  });
});

test('a file that did not load counts as one failure', () => {
  expect(countTests({ testResults: [file('failed'), file('passed', 'passed')] })).toEqual({ passed: 1, failed: 1 });
});

test('a file whose hook threw counts as one failure beside its passed tests', () => {
  expect(countTests({ testResults: [file('failed', 'passed', 'skipped')] })).toEqual({ passed: 1, failed: 1 });
});

test('what is not a report is a failed run', () => {
  expect(countTests({})).toEqual({ passed: 0, failed: 1 });
  expect(countTests(null)).toEqual({ passed: 0, failed: 1 });
});
