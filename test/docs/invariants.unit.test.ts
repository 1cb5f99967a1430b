import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const page = readFileSync(new URL('../../docs/invariants.md', import.meta.url), 'utf8');
const faults = readFileSync(new URL('../../docs/faults.md', import.meta.url), 'utf8');
const referencesIn = (text: string) =>
  [...text.matchAll(/`([\w./-]+\.test\.ts)`(?: "([^"]+)")?/g)].map(([, file = '', title]) => ({ file, title }));

describe('the pages of invariants and of faults', () => {
  it('name tests for I1 to I10', () => {
    for (let number = 1; number <= 10; number += 1) {
      expect(page).toMatch(new RegExp(`^\\| I${number} \\|.*\\.test\\.ts`, 'm'));
    }
  });

  it.each([...referencesIn(page), ...referencesIn(faults)])('name a test that is there: $file $title', ({ file, title }) => {
    const path = new URL(`../../${file}`, import.meta.url);
    expect(existsSync(path)).toBe(true);
    if (title !== undefined) expect(readFileSync(path, 'utf8').replaceAll("\\'", "'")).toContain(title);
  });
});
