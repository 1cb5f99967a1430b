import type { Figure } from './figures.ts';

/**
 * What is to be reached. With `over`, the figure of `variant` is divided by that of another one from the same run; without,
 * it stands for itself.
 */
export interface Aim<Id extends string = string, V extends string = string> {
  readonly figure: Id;
  readonly variant: V;
  readonly over?: { readonly figure: Id; readonly variant: V };
  readonly bound: { readonly atLeast: number } | { readonly atMost: number };
  readonly text: string;
}

export interface Judgement {
  readonly aim: string;
  readonly figure: string;
  readonly variant: string;
  /** What `value` is divided by: `one-row.rate/debezium`; left out when the figure stands for itself. */
  readonly over?: string;
  /** The ratio of the medians, or the median itself. */
  readonly value: number;
  readonly bound: Aim['bound'];
  readonly met: boolean;
}

/** Judges the aims whose figures were measured; one whose figures are missing is left out, and never counts as met. */
export function judge(aims: readonly Aim[], figures: readonly Figure[]): Judgement[] {
  const medianOf = (figure: string, variant: string): number | undefined =>
    figures.find((each) => each.figure === figure && each.variant === variant)?.median;
  return aims.flatMap((aim) => {
    const { figure, variant, over, bound } = aim;
    const own = medianOf(figure, variant);
    const other = over === undefined ? 1 : medianOf(over.figure, over.variant);
    if (own === undefined || other === undefined || other === 0) return [];
    const value = own / other;
    const met = 'atLeast' in bound ? value >= bound.atLeast : value <= bound.atMost;
    return [
      { aim: aim.text, figure, variant, ...(over === undefined ? {} : { over: `${over.figure}/${over.variant}` }), value, bound, met },
    ];
  });
}
