import { describe, expect, it } from 'vitest';
import type { HealthReport } from '../../core/lifecycle.ts';
import { renderingHealth } from './health-metrics.ts';
import { createMetrics } from './metrics.ts';

describe('health as a metric', () => {
  it('is 1 for the status that each part has now, and 0 for those that it had', async () => {
    const rendered = createMetrics('test');
    let status: HealthReport['status'] = 'down';
    const relay = { health: () => [{ name: 'relay.scan', status }] };
    const broken = {
      health: (): HealthReport[] => {
        throw new Error('it cannot say');
      },
    };
    const lines = async () => {
      return (await renderingHealth(rendered, [relay, broken])()).body
        .split('\n')
        .filter((line) => line.startsWith('millrace_health{') && line.endsWith(' 1'));
    };
    const down = 'millrace_health{part="health",status="down",service="test"} 1';
    expect(await lines()).toEqual(['millrace_health{part="relay.scan",status="down",service="test"} 1', down]);
    status = 'ok';
    expect(await lines()).toEqual(['millrace_health{part="relay.scan",status="ok",service="test"} 1', down]);
  });
});
