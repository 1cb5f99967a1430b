import { expect, test } from 'vitest';
import { judge } from '../aims.ts';
import { AIMS } from './aims.ts';
import { processingBook } from './figures.ts';

test('every aim of processing is about a figure that its side, and what it is compared with, can have', () => {
  const book = processingBook();
  for (const { figure, variant, over } of AIMS)
    for (const each of [{ figure, variant }, ...(over === undefined ? [] : [over])]) book.add(each.figure, each.variant, 1);
  expect(judge(AIMS, book.figures())).toHaveLength(AIMS.length);
});
