import { AIMS, judge, type Judgement } from './aims.ts';
import type { Figure, FigureBook } from './figures.ts';
import type { Machine } from './machine.ts';

/** What `--json` prints. */
export interface BenchResult {
  readonly name: 'capture' | 'capture (quick)';
  readonly machine: Machine;
  readonly runs: number;
  readonly figures: readonly Figure[];
  readonly ratios: readonly Judgement[];
}

export function benchResult(given: {
  readonly quick: boolean;
  readonly machine: Machine;
  readonly runs: number;
  readonly book: FigureBook;
}): BenchResult {
  const figures = given.book.figures();
  return {
    name: given.quick ? 'capture (quick)' : 'capture',
    machine: given.machine,
    runs: given.runs,
    figures,
    ratios: judge(AIMS, figures),
  };
}
