import type { MetricName, Metrics } from '../../core/metrics.ts';

type Labels = Readonly<Record<string, string>>;

/** Remembers what was counted. */
export class CountingMetrics implements Metrics {
  private readonly counts: { readonly name: MetricName; readonly labels: Labels; readonly by: number }[] = [];

  count(name: MetricName, labels: Labels, by = 1): void {
    this.counts.push({ name, labels, by });
  }

  gauge(): void {
    return undefined;
  }

  observe(): void {
    return undefined;
  }

  /** Over all labels. */
  total(name: MetricName): number {
    return this.counts.filter((one) => one.name === name).reduce((sum, { by }) => sum + by, 0);
  }

  /** Of each time that it was counted. */
  labels(name: MetricName): Labels[] {
    return this.counts.filter((one) => one.name === name).map(({ labels }) => labels);
  }
}
