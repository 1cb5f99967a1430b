import type { Metrics } from '../../core/metrics.ts';
import type { PartitionEpoch } from './partition-epoch.ts';

type Partition = Pick<PartitionEpoch, 'topic' | 'partition' | 'lag'>;

/** Publishes each partition's lag when it has changed, and 0 for a partition that is ours no more: its new owner reports it. */
export class LagGauge {
  private readonly metrics: Metrics;
  private readonly group: string;
  private published = new Map<string, { readonly partition: Partition; readonly lag: number }>();

  constructor(metrics: Metrics, group: string) {
    this.metrics = metrics;
    this.group = group;
  }

  publish(partitions: readonly Partition[]): void {
    const next = new Map(partitions.map((partition) => [`${partition.topic}/${partition.partition}`, { partition, lag: partition.lag }]));
    for (const [name, { partition, lag }] of next) if (this.published.get(name)?.lag !== lag) this.set(partition, lag);
    for (const [name, { partition }] of this.published) if (!next.has(name)) this.set(partition, 0);
    this.published = next;
  }

  private set({ topic, partition }: Partition, lag: number): void {
    this.metrics.gauge('millrace_consumer_lag_records', { group: this.group, topic, partition: partition.toString() }, lag);
  }
}
