import { expect, test } from 'vitest';
import { judge, type Aim } from './aims.ts';
import { FigureBook } from './figures.ts';

const TABLE = {
  rows: { rate: { title: 'rate', unit: 'rows/s' }, memory: { title: 'memory', unit: 'MB' } },
  variants: ['ours', 'theirs'],
} as const;
type Id = keyof typeof TABLE.rows;
type Variant = (typeof TABLE.variants)[number];

const ratio = (bound: Aim['bound']): Aim<Id, Variant> => ({
  figure: 'rate',
  variant: 'ours',
  over: { figure: 'rate', variant: 'theirs' },
  bound,
  text: 'a ratio',
});

function figures(...values: [Id, Variant, ...number[]][]) {
  const book = new FigureBook<Id, Variant>(TABLE);
  for (const [figure, variant, ...runs] of values) runs.forEach((value) => book.add(figure, variant, value));
  return book.figures();
}

test('an aim over the other side is judged by the ratio of the medians', () => {
  const measured = figures(['rate', 'ours', 90, 110, 400], ['rate', 'theirs', 50, 55, 60]);
  expect(judge([ratio({ atLeast: 2 })], measured)).toEqual([
    {
      aim: 'a ratio',
      figure: 'rate',
      variant: 'ours',
      over: 'rate/theirs',
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
  const aim: Aim<Id, Variant> = { figure: 'memory', variant: 'ours', bound: { atMost: 150 }, text: 'memory' };
  expect(judge([aim], figures(['memory', 'ours', 150]))[0]).toMatchObject({ value: 150, met: true });
  expect(judge([aim], figures(['memory', 'ours', 151]))[0]).toMatchObject({ met: false });
});

test('an aim of which one side was not measured is left out, and so is one that would divide by nothing', () => {
  expect(judge([ratio({ atLeast: 2 })], figures(['rate', 'ours', 90]))).toEqual([]);
  expect(judge([ratio({ atLeast: 2 })], figures(['rate', 'ours', 90], ['rate', 'theirs', 0]))).toEqual([]);
});
