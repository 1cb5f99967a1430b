import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import { METRICS } from '../../core/metrics.ts';
import type { MetricName, Metrics } from '../../core/metrics.ts';
import { QuickHistogram } from './histogram.ts';

export interface RenderedMetrics {
  readonly metrics: Metrics;
  readonly render: () => Promise<{ readonly contentType: string; readonly body: string }>;
}

/** Every metric of core/metrics.ts in a Prometheus registry of its own, beside the process's (CPU, memory, event loop). */
export function createMetrics(service: string): RenderedMetrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  const counters = new Map<MetricName, Counter>();
  const gauges = new Map<MetricName, Gauge>();
  const histograms = new Map<MetricName, QuickHistogram>();
  for (const [key, row] of Object.entries(METRICS)) {
    const name = key as MetricName;
    const options = { name, help: row.help, labelNames: [...row.labels], registers: [registry] };
    if (row.kind === 'counter') counters.set(name, new Counter(options));
    else if (row.kind === 'gauge') gauges.set(name, new Gauge(options));
    else histograms.set(name, registered(new QuickHistogram({ ...options, buckets: row.buckets }), registry));
  }
  return {
    metrics: {
      count: (name, labels, by = 1) => counters.get(name)?.inc(labels, by),
      gauge: (name, labels, value) => gauges.get(name)?.set(labels, value),
      observe: (name, labels, value) => histograms.get(name)?.observe(labels, value),
    },
    render: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}

function registered(histogram: QuickHistogram, registry: Registry): QuickHistogram {
  histogram.register(registry);
  return histogram;
}
