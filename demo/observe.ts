import { CounterBook, parseExposition, quantile } from './scrape.ts';
import type { Sample } from './scrape.ts';

/** What the processes say of themselves while the demo runs. */
export interface Observation {
  readonly captured: number;
  readonly processed: number;
  readonly projected: ReadonlyMap<string, number>;
  readonly parked: number;
  readonly deadLettered: number;
  readonly lag: number;
}

const COUNTED = [
  'millrace_capture_published_total',
  'millrace_records_out_total',
  'millrace_dead_lettered_total',
  'millrace_capture_dead_lettered_total',
  'millrace_projection_latency_seconds_bucket',
];

/** Reads the metrics of every role, adds up what grew since the demo began, and forgives roles that are away. */
export class Observer {
  private readonly book = new CounterBook();
  private readonly gauges = new Map<string, number>();
  private readonly operationsUrls: () => readonly { readonly role: string; readonly url: string }[];

  private readonly projections: readonly string[];

  constructor(operationsUrls: () => readonly { readonly role: string; readonly url: string }[], projections: readonly string[]) {
    this.operationsUrls = operationsUrls;
    this.projections = projections;
  }

  async begin(): Promise<void> {
    await this.look((series, value) => this.book.baseline(series, value));
  }

  async observe(): Promise<Observation> {
    await this.look((series, value) => this.book.record(series, value));
    const sum = (name: string, label = ''): number => this.book.sum((series) => series.includes(`|${name}|`) && series.includes(label));
    const gauge = (name: string): number =>
      [...this.gauges].filter(([series]) => series.includes(`|${name}|`)).reduce((total, [, value]) => total + value, 0);
    return {
      captured: sum('millrace_capture_published_total'),
      processed: sum('millrace_records_out_total', 'processor.'),
      // By doors: an event that a document folded from history held already leaves as skipped, and has arrived as well.
      projected: new Map(this.projections.map((name) => [name, sum('millrace_records_out_total', `projection.${name}.v`)])),
      parked: gauge('millrace_parked_records'),
      deadLettered: sum('millrace_dead_lettered_total') + sum('millrace_capture_dead_lettered_total'),
      lag: gauge('millrace_consumer_lag_records'),
    };
  }

  /** Seconds from the event to its effect in the read model, by projection. */
  latencies(): ReadonlyMap<string, { readonly p50: number; readonly p95: number; readonly p99: number; readonly count: number }> {
    const buckets = new Map<string, Map<number, number>>();
    for (const [series, value] of this.book.entries()) {
      const [, name, labels] = series.split('|');
      if (name !== 'millrace_projection_latency_seconds_bucket' || labels === undefined) continue;
      const { projection, le } = JSON.parse(labels) as { projection: string; le: string };
      const byBound = buckets.get(projection) ?? new Map<number, number>();
      const bound = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le);
      byBound.set(bound, (byBound.get(bound) ?? 0) + value);
      buckets.set(projection, byBound);
    }
    const result = new Map<string, { p50: number; p95: number; p99: number; count: number }>();
    for (const [projection, byBound] of buckets) {
      const list = [...byBound].map(([le, count]) => ({ le, count }));
      const count = byBound.get(Number.POSITIVE_INFINITY) ?? 0;
      if (count === 0) continue;
      result.set(projection, { p50: quantile(list, 0.5) ?? 0, p95: quantile(list, 0.95) ?? 0, p99: quantile(list, 0.99) ?? 0, count });
    }
    return result;
  }

  private async look(record: (series: string, value: number) => void): Promise<void> {
    for (const key of this.gauges.keys()) this.gauges.delete(key);
    await Promise.all(
      this.operationsUrls().map(async ({ role, url }) => {
        const samples = await scrape(url);
        for (const [name, list] of samples) {
          for (const sample of list) {
            const series = `${role}|${name}|${JSON.stringify(sample.labels)}`;
            if (COUNTED.includes(name)) record(series, sample.value);
            else if (name.startsWith('millrace_')) this.gauges.set(series, sample.value);
          }
        }
      }),
    );
  }
}

/** A role that does not answer is being started again: nothing is seen of it this time. */
async function scrape(url: string): Promise<Map<string, Sample[]>> {
  try {
    const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(2_000) });
    return parseExposition(await response.text());
  } catch (error) {
    if (error instanceof Error) return new Map();
    throw error;
  }
}
