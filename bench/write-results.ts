import { readFile, writeFile } from 'node:fs/promises';

export const RESULTS_END = '<!-- end of the results -->';

/** The mark in front of the results of one benchmark. */
export function resultsBegin(bench: string): string {
  return `<!-- results: written by \`npm run bench -- ${bench} --write\` -->`;
}

/** Puts the report between the marks of that benchmark; what is around it stays. */
export async function writeResults(file: string, bench: string, report: string): Promise<void> {
  await writeFile(file, withResults(await readFile(file, 'utf8'), bench, report));
}

/** @throws Error when the document has not both marks, in their order. */
export function withResults(document: string, bench: string, report: string): string {
  const mark = resultsBegin(bench);
  const begin = document.indexOf(mark);
  const end = begin < 0 ? -1 : document.indexOf(RESULTS_END, begin);
  if (end < 0) throw new Error('the document has no place for the results');
  return `${document.slice(0, begin)}${mark}\n\n${report}\n\n${document.slice(end)}`;
}
