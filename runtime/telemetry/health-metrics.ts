import type { HealthReport, HealthSource } from '../../core/lifecycle.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { RenderedMetrics } from './metrics.ts';

const STATUSES: readonly HealthReport['status'][] = ['ok', 'degraded', 'down'];

/**
 * The health of a process as a metric, for alerts: 1 for the status of each part, 0 for the others, as of the moment of the
 * call. A part that cannot say how it is counts as down. Never throws.
 */
function publishHealth(metrics: Pick<Metrics, 'gauge'>, sources: readonly HealthSource[]): void {
  for (const { name, status } of sources.flatMap(ask)) {
    for (const each of STATUSES) metrics.gauge('millrace_health', { part: name, status: each }, each === status ? 1 : 0);
  }
}

/** Renders the metrics of a process with its health as of that moment. */
export function renderingHealth({ metrics, render }: RenderedMetrics, sources: readonly HealthSource[]): RenderedMetrics['render'] {
  return async () => {
    publishHealth(metrics, sources);
    return render();
  };
}

function ask(source: HealthSource): readonly HealthReport[] {
  try {
    return source.health();
  } catch {
    return [{ name: 'health', status: 'down' }]; // whoever asks for /health sees it in the log
  }
}
