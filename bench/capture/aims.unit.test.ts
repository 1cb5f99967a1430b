import { expect, test } from 'vitest';
import { judge } from '../aims.ts';
import { AIMS } from './aims.ts';
import { captureBook } from './figures.ts';

test('every aim of the capture is about a figure that both sides of it can have', () => {
  const book = captureBook();
  for (const { figure, variant, over } of AIMS)
    for (const each of [{ figure, variant }, ...(over === undefined ? [] : [over])]) book.add(each.figure, each.variant, 1);
  expect(judge(AIMS, book.figures())).toHaveLength(AIMS.length);
});
