import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cloneFolder } from '../stack/data-folder.ts';
import { RESULTS_END, resultsBegin, withResults } from './write-results.ts';

const section = (bench: string, results: string): string => `## ${bench}\n\n${resultsBegin(bench)}\n\n${results}\n\n${RESULTS_END}\n`;
const old = `# Title\n\n${section('one', 'old')}\n${section('two', 'old')}\nafter\n`;

test('new results take the place of the old ones of the same benchmark, and what is around them stays', () => {
  const written = withResults(old, 'two', 'new');
  expect(written).toBe(`# Title\n\n${section('one', 'old')}\n${section('two', 'new')}\nafter\n`);
  expect(withResults(written, 'two', 'new')).toBe(written);
});

test('a document without a place for them is refused', () => {
  expect(() => withResults('# Title\n', 'one', 'new')).toThrow('no place');
  expect(() => withResults(old.slice(0, old.lastIndexOf(RESULTS_END)), 'two', 'new')).toThrow('no place');
});

test('the document of this repository has a place for each benchmark', () => {
  const document = readFileSync(join(cloneFolder(), 'docs', 'benchmarks.md'), 'utf8');
  for (const bench of ['capture', 'processing']) expect(withResults(document, bench, 'new')).toContain('\n\nnew\n\n');
});
