import { judge, type Aim, type Judgement } from './aims.ts';
import type { Figure, FigureBook } from './figures.ts';
import type { Machine } from './machine.ts';

/** What `--json` prints. */
export interface BenchResult<Id extends string = string, V extends string = string> {
  /** `capture`, or `capture (quick)`. */
  readonly name: string;
  readonly machine: Machine;
  readonly runs: number;
  readonly figures: readonly Figure<Id, V>[];
  readonly ratios: readonly Judgement[];
}

export function benchResult<Id extends string, V extends string>(given: {
  readonly name: string;
  readonly quick: boolean;
  readonly machine: Machine;
  readonly runs: number;
  readonly book: FigureBook<Id, V>;
  readonly aims: readonly Aim<Id, V>[];
}): BenchResult<Id, V> {
  const figures = given.book.figures();
  return {
    name: given.quick ? `${given.name} (quick)` : given.name,
    machine: given.machine,
    runs: given.runs,
    figures,
    ratios: judge(given.aims, figures),
  };
}
