import { median } from './statistics.ts';

export type Unit =
  'rows/s' | 'records/s' | 'transactions/s' | 'steps/s' | 'records' | 'commits' | 'ms' | 'µs' | 's' | 'MB' | 'MB/min' | '%';

/** What a figure is called, and in what it is counted. */
export interface FigureRow {
  readonly title: string;
  readonly unit: Unit;
}

/** The figures that a benchmark can produce and whom it measures, both in the order in which they are shown. */
export interface FigureTable<Id extends string, V extends string> {
  readonly rows: Readonly<Record<Id, FigureRow>>;
  readonly variants: readonly V[];
}

export interface Figure<Id extends string = string, V extends string = string> {
  readonly figure: Id;
  readonly variant: V;
  readonly unit: Unit;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** One per run, in the order of the runs. */
  readonly values: readonly number[];
}

/** Collects one value per run, figure and variant. */
export class FigureBook<Id extends string, V extends string> {
  private readonly table: FigureTable<Id, V>;
  private readonly values = new Map<string, number[]>();

  constructor(table: FigureTable<Id, V>) {
    this.table = table;
  }

  /** @throws RangeError for a value that is no number: a measurement that failed must not look like one that was made. */
  add(figure: Id, variant: V, value: number): void {
    if (!Number.isFinite(value)) throw new RangeError(`${figure} of ${variant} is not a number`);
    const key = `${figure}/${variant}`;
    const values = this.values.get(key) ?? [];
    values.push(value);
    this.values.set(key, values);
  }

  /** In the order of the table. */
  figures(): Figure<Id, V>[] {
    const ids = Object.keys(this.table.rows) as Id[];
    return ids.flatMap((figure) => this.table.variants.flatMap((variant) => this.summary(figure, variant) ?? []));
  }

  private summary(figure: Id, variant: V): Figure<Id, V> | undefined {
    const values = this.values.get(`${figure}/${variant}`);
    if (values === undefined) return undefined;
    return {
      figure,
      variant,
      unit: this.table.rows[figure].unit,
      median: median(values),
      min: Math.min(...values),
      max: Math.max(...values),
      values,
    };
  }
}
