import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DIFFERENCES, differencesTable } from '../../connectors/debezium/differences.ts';

it('docs/debezium.md lists exactly the deliberate differences of the code', () => {
  const page = readFileSync(new URL('../../docs/debezium.md', import.meta.url), 'utf8');
  const section = page.split('## Where they differ')[1]?.split('\n## ')[0] ?? '';
  expect(
    section
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .join('\n'),
  ).toBe(differencesTable());
  expect(new Set(DIFFERENCES.map(({ id }) => id)).size).toBe(DIFFERENCES.length);
});
