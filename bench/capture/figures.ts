import { median } from './statistics.ts';

/** Who is measured. Those after `debezium` are context: what is compared is `millrace` (JSON) with `debezium` (warm, tuned). */
export const VARIANTS = ['millrace', 'debezium', 'millrace-avro', 'millrace-bytea', 'debezium-cold', 'debezium-defaults'] as const;

export type Variant = (typeof VARIANTS)[number];

export type Side = 'millrace' | 'debezium';

export const SIDES: readonly Side[] = ['millrace', 'debezium'];

interface FigureRow {
  readonly title: string;
  readonly unit: 'rows/s' | 'ms' | 'µs' | 'MB' | '%';
}

/** Every figure that the benchmark can produce, in the order in which it is shown. */
export const FIGURES = {
  'one-row.rate': { title: 'catch-up, one-row transactions', unit: 'rows/s' },
  'one-row.cpu': { title: 'catch-up, one-row transactions: CPU of the capture per event', unit: 'µs' },
  'one-row.capture': { title: 'catch-up, one-row transactions: CPU of the capture, of one core', unit: '%' },
  'one-row.walsender': { title: 'catch-up, one-row transactions: CPU of the walsender, of its core', unit: '%' },
  'one-row.rss': { title: 'catch-up, one-row transactions: peak memory', unit: 'MB' },
  'bulk.rate': { title: 'catch-up, 1,000-row transactions', unit: 'rows/s' },
  'bulk.cpu': { title: 'catch-up, 1,000-row transactions: CPU of the capture per event', unit: 'µs' },
  'bulk.capture': { title: 'catch-up, 1,000-row transactions: CPU of the capture, of one core', unit: '%' },
  'bulk.walsender': { title: 'catch-up, 1,000-row transactions: CPU of the walsender, of its core', unit: '%' },
  'bulk.rss': { title: 'catch-up, 1,000-row transactions: peak memory', unit: 'MB' },
  'large.rate': { title: 'catch-up, one transaction of all rows', unit: 'rows/s' },
  'large.rss': { title: 'catch-up, one transaction of all rows: peak memory', unit: 'MB' },
  'steady-500.p50': { title: '500 rows/s: commit to Kafka, p50', unit: 'ms' },
  'steady-500.p99': { title: '500 rows/s: commit to Kafka, p99', unit: 'ms' },
  'steady-500.p999': { title: '500 rows/s: commit to Kafka, p99.9', unit: 'ms' },
  'steady-500.cpu': { title: '500 rows/s: CPU of the capture per event', unit: 'µs' },
  'steady-500.observer': { title: '500 rows/s: of the above spent after the append, mean', unit: 'ms' },
  'steady-5000.p50': { title: '5,000 rows/s: commit to Kafka, p50', unit: 'ms' },
  'steady-5000.p99': { title: '5,000 rows/s: commit to Kafka, p99', unit: 'ms' },
  'steady-5000.p999': { title: '5,000 rows/s: commit to Kafka, p99.9', unit: 'ms' },
  'steady-5000.cpu': { title: '5,000 rows/s: CPU of the capture per event', unit: 'µs' },
  'steady-5000.observer': { title: '5,000 rows/s: of the above spent after the append, mean', unit: 'ms' },
  'highest.rate': { title: 'highest sustained rate', unit: 'rows/s' },
  'highest.p50': { title: 'highest sustained rate: commit to Kafka, p50', unit: 'ms' },
  'highest.p99': { title: 'highest sustained rate: commit to Kafka, p99', unit: 'ms' },
  'highest.p999': { title: 'highest sustained rate: commit to Kafka, p99.9', unit: 'ms' },
  'stalled.rss': { title: 'broker stalled under load: peak memory', unit: 'MB' },
  'stalled.recovery': { title: 'broker stalled under load: from its return until nothing is left', unit: 'ms' },
  'start.first-event': { title: 'process start to first event in Kafka', unit: 'ms' },
} as const satisfies Record<string, FigureRow>;

export type FigureId = keyof typeof FIGURES;

export interface Figure {
  readonly figure: FigureId;
  readonly variant: Variant;
  readonly unit: FigureRow['unit'];
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** One per run, in the order of the runs. */
  readonly values: readonly number[];
}

/** Collects one value per run, figure and variant. */
export class FigureBook {
  private readonly values = new Map<string, { readonly figure: FigureId; readonly variant: Variant; readonly values: number[] }>();

  /** @throws RangeError for a value that is no number: a measurement that failed must not look like one that was made. */
  add(figure: FigureId, variant: Variant, value: number): void {
    if (!Number.isFinite(value)) throw new RangeError(`${figure} of ${variant} is not a number`);
    const key = `${figure}/${variant}`;
    const entry = this.values.get(key) ?? { figure, variant, values: [] };
    entry.values.push(value);
    this.values.set(key, entry);
  }

  /** In the order of FIGURES and VARIANTS. */
  figures(): Figure[] {
    const ids = Object.keys(FIGURES) as FigureId[];
    return ids.flatMap((figure) => VARIANTS.flatMap((variant) => this.summary(figure, variant) ?? []));
  }

  private summary(figure: FigureId, variant: Variant): Figure | undefined {
    const entry = this.values.get(`${figure}/${variant}`);
    if (entry === undefined) return undefined;
    const { values } = entry;
    return {
      figure,
      variant,
      unit: FIGURES[figure].unit,
      median: median(values),
      min: Math.min(...values),
      max: Math.max(...values),
      values,
    };
  }
}
