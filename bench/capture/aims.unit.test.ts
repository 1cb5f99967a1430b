import { expect, test } from 'vitest';
import { AIMS, judge, type Aim } from './aims.ts';
import { FigureBook, type FigureId, type Variant } from './figures.ts';

const ratio = (bound: Aim['bound']): Aim => ({
  figure: 'one-row.rate',
  variant: 'millrace',
  over: { figure: 'one-row.rate', variant: 'debezium' },
  bound,
  text: 'a ratio',
});

function figures(...values: [FigureId, Variant, ...number[]][]) {
  const book = new FigureBook();
  for (const [figure, variant, ...runs] of values) runs.forEach((value) => book.add(figure, variant, value));
  return book.figures();
}

test('an aim over the other side is judged by the ratio of the medians', () => {
  const measured = figures(['one-row.rate', 'millrace', 90, 110, 400], ['one-row.rate', 'debezium', 50, 55, 60]);
  expect(judge([ratio({ atLeast: 2 })], measured)).toEqual([
    {
      aim: 'a ratio',
      figure: 'one-row.rate',
      variant: 'millrace',
      over: 'one-row.rate/debezium',
      value: 2,
      bound: { atLeast: 2 },
      met: true,
    },
  ]);
  expect(judge([ratio({ atLeast: 2.01 })], measured)[0]?.met).toBe(false);
  expect(judge([ratio({ atMost: 2 })], measured)[0]?.met).toBe(true);
  expect(judge([ratio({ atMost: 1.99 })], measured)[0]?.met).toBe(false);
});

test('an aim that stands for itself is judged by the median', () => {
  const aim: Aim = { figure: 'stalled.rss', variant: 'millrace', bound: { atMost: 150 }, text: 'memory' };
  expect(judge([aim], figures(['stalled.rss', 'millrace', 150]))[0]).toMatchObject({ value: 150, met: true });
  expect(judge([aim], figures(['stalled.rss', 'millrace', 151]))[0]).toMatchObject({ met: false });
});

test('an aim of which one side was not measured is left out, and so is one that would divide by nothing', () => {
  expect(judge([ratio({ atLeast: 2 })], figures(['one-row.rate', 'millrace', 90]))).toEqual([]);
  expect(judge([ratio({ atLeast: 2 })], figures(['one-row.rate', 'millrace', 90], ['one-row.rate', 'debezium', 0]))).toEqual([]);
});

test('every aim of this product is about a figure that both sides of it can have', () => {
  const all = AIMS.flatMap(({ figure, variant, over }) => [{ figure, variant }, ...(over === undefined ? [] : [over])]);
  const measured = figures(...all.map(({ figure, variant }): [FigureId, Variant, number] => [figure, variant, 1]));
  expect(judge(AIMS, measured)).toHaveLength(AIMS.length);
});
