import { readFile, writeFile } from 'node:fs/promises';

export const RESULTS_BEGIN = '<!-- results: written by `npm run bench -- capture --write` -->';
export const RESULTS_END = '<!-- end of the results -->';

/** Puts the report between the marks of the document; what is around it stays. */
export async function writeResults(file: string, report: string): Promise<void> {
  await writeFile(file, withResults(await readFile(file, 'utf8'), report));
}

/** @throws Error when the document has not both marks, in their order. */
export function withResults(document: string, report: string): string {
  const begin = document.indexOf(RESULTS_BEGIN);
  const end = document.indexOf(RESULTS_END);
  if (begin < 0 || end < begin) throw new Error('the document has no place for the results');
  return `${document.slice(0, begin)}${RESULTS_BEGIN}\n\n${report}\n\n${document.slice(end)}`;
}
