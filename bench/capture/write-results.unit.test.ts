import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cloneFolder } from '../../stack/data-folder.ts';
import { RESULTS_BEGIN, RESULTS_END, withResults } from './write-results.ts';

const old = `# Title\n\n${RESULTS_BEGIN}\n\nold\n\n${RESULTS_END}\n\nafter\n`;

test('new results take the place of the old ones, and what is around them stays', () => {
  const written = withResults(old, 'new');
  expect(written).toBe(`# Title\n\n${RESULTS_BEGIN}\n\nnew\n\n${RESULTS_END}\n\nafter\n`);
  expect(withResults(written, 'new')).toBe(written);
});

test('a document without a place for them is refused', () => {
  expect(() => withResults('# Title\n', 'new')).toThrow('no place');
});

test('the document of this repository has a place for them', () => {
  const document = readFileSync(join(cloneFolder(), 'docs', 'benchmarks.md'), 'utf8');
  expect(withResults(document, 'new')).toContain('\n\nnew\n\n');
});
