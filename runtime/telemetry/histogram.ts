import type { Histogram, Registry } from 'prom-client';

export interface HistogramOptions {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[];
}

type Labels = Readonly<Record<string, string>>;

/** One line of a scrape. */
interface Value {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly sharedLabels: Labels;
  readonly value: number;
  readonly metricName: string;
}

interface Series {
  readonly labels: Labels;
  /** By bucket, those above the last bound at the end; not cumulative. */
  readonly counts: number[];
  sum: number;
  count: number;
}

/**
 * A histogram as prom-client renders it, for values that come for every record: prom-client's own makes a closure, a hash and several
 * objects for each of them, which costs a group more than its lanes do.
 */
export class QuickHistogram {
  readonly name: string;
  readonly help: string;
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  private readonly labelNames: readonly string[];
  private readonly buckets: readonly number[];
  private readonly series = new Map<string, Series>();

  constructor({ name, help, labelNames, buckets }: HistogramOptions) {
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
    this.buckets = buckets;
  }

  register(registry: Registry): void {
    // Of a metric the registry asks nothing but its name and `get`.
    registry.registerMetric(this as unknown as Histogram);
  }

  /** What is no number is let go: measuring must not be able to stop the work. */
  observe(labels: Labels, value: number): void {
    if (!Number.isFinite(value)) return;
    const key = this.keyOf(labels);
    const series = this.series.get(key) ?? this.begin(key, labels);
    const place = this.placeOf(value);
    series.count += 1;
    series.sum += value;
    series.counts[place] = (series.counts[place] ?? 0) + 1;
  }

  /** As text, for a scrape. */
  async getForPromString(): Promise<object> {
    return this.metric([...this.series.values()].flatMap((series) => this.valuesOf(series)));
  }

  /** As objects. */
  async get(): Promise<object> {
    const values = [...this.series.values()].flatMap((series) => this.valuesOf(series));
    return this.metric(values.map(({ labels, sharedLabels, ...value }) => ({ ...value, labels: { ...labels, ...sharedLabels } })));
  }

  private metric(values: readonly object[]): object {
    return { name: this.name, help: this.help, type: this.type, aggregator: this.aggregator, values };
  }

  private keyOf(labels: Labels): string {
    const [only] = this.labelNames;
    if (this.labelNames.length === 1 && only !== undefined) return labels[only] ?? '';
    return this.labelNames.map((name) => labels[name] ?? '').join('\0');
  }

  /** The first bucket whose bound is not below the value. */
  private placeOf(value: number): number {
    let low = 0;
    let high = this.buckets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (value <= (this.buckets[middle] ?? Infinity)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  private begin(key: string, labels: Labels): Series {
    const own = Object.fromEntries(this.labelNames.map((name) => [name, labels[name] ?? '']));
    const series = { labels: own, counts: new Array<number>(this.buckets.length + 1).fill(0), sum: 0, count: 0 };
    this.series.set(key, series);
    return series;
  }

  private valuesOf({ labels: sharedLabels, counts, sum, count }: Series): Value[] {
    let below = 0;
    const buckets = [...this.buckets, '+Inf'].map((le, place): Value => {
      below += counts[place] ?? 0;
      return { labels: { le }, sharedLabels, value: below, metricName: `${this.name}_bucket` };
    });
    return [
      ...buckets,
      { labels: {}, sharedLabels, value: sum, metricName: `${this.name}_sum` },
      { labels: {}, sharedLabels, value: count, metricName: `${this.name}_count` },
    ];
  }
}
