import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const page = read('docs/invariants.md');
const faults = read('docs/faults.md');

/** Each file that is named, with each of the titles that follow it. */
function referencesIn(text: string): { readonly file: string; readonly title: string | undefined }[] {
  return [...text.matchAll(/`([\w./-]+\.test\.ts)`((?:,? "[^"]+")*)/g)].flatMap(([, file = '', quoted = '']) => {
    const titles = [...quoted.matchAll(/"([^"]+)"/g)].map(([, title]) => title);
    return titles.length === 0 ? [{ file, title: undefined }] : titles.map((title) => ({ file, title }));
  });
}

/** Texts that begin the arguments of a call, as the titles of tests do. */
function titlesIn(file: string): Set<string> {
  const found = read(file).matchAll(/\(\s*(?:'((?:[^'\\]|\\.)*)'|"([^"]*)"|`([^`]*)`)/g);
  return new Set([...found].map(([, single, double, template]) => (single ?? double ?? template ?? '').replaceAll("\\'", "'")));
}

describe('the pages of invariants and of faults', () => {
  it('name a test for each invariant that is built', () => {
    const rows = page.split('\n').filter((row) => /^\| I\d+a? \|/.test(row));
    expect(rows.map((row) => row.split(' ')[1])).toEqual([
      ...['I1', 'I2', 'I3', 'I3a', 'I4', 'I5', 'I6', 'I7', 'I8', 'I9', 'I10', 'I11', 'I12', 'I13', 'I14', 'I15'],
    ]);
    for (const row of rows) if (!row.includes('no rebuild yet')) expect(row).toMatch(/\.test\.ts/);
  });

  it('name a test for each fault', () => {
    const rows = faults.split('\n').filter((row) => row.startsWith('|') && !/^\|(---| fault )/.test(row));
    expect(rows.filter((row) => !row.includes('.test.ts'))).toEqual([]);
  });

  it.each([...referencesIn(page), ...referencesIn(faults)])('name a test that is there: $file $title', ({ file, title }) => {
    expect(existsSync(new URL(`../../${file}`, import.meta.url))).toBe(true);
    if (title !== undefined) expect([...titlesIn(file)]).toContain(title);
  });
});
