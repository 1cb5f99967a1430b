import type { Metrics } from '../../core/metrics.ts';
import type { Door } from '../../core/outcome.ts';

/** Counts since the group was made. */
export interface TopicBalance {
  in: number;
  acked: number;
  skipped: number;
  retried: number;
  deadLettered: number;
  /** Given back undone at a rebalance or a stop: no door, because Kafka delivers them again, here or elsewhere. */
  released: number;
}

const DOORS = ['acked', 'skipped', 'retried', 'deadLettered'] as const satisfies readonly Door[];

/**
 * The books of a group: `in = acked + skipped + retried + deadLettered + released + in flight`, at every moment and over
 * any number of rebalances. What is in flight is counted by itself and not derived, so that the equation can be wrong.
 *
 * The books are exact at once; the metrics follow when `publish` is called, all of them together, so that a scrape never
 * sees one side of the equation without the other.
 */
export class Balance {
  private readonly byTopic = new Map<string, TopicBalance>();
  private readonly published = new Map<string, TopicBalance>();
  private live = 0;
  private changed = false;

  enter(topic: string): void {
    this.of(topic).in += 1;
    this.live += 1;
    this.changed = true;
  }

  leave(topic: string, door: Door): void {
    this.of(topic)[door] += 1;
    this.live -= 1;
    this.changed = true;
  }

  release(topic: string): void {
    this.of(topic).released += 1;
    this.live -= 1;
    this.changed = true;
  }

  get inFlight(): number {
    return this.live;
  }

  totals(): TopicBalance {
    const sum = emptyBalance();
    for (const topic of this.byTopic.values()) for (const name of names(sum)) sum[name] += topic[name];
    return sum;
  }

  publish(metrics: Metrics, group: string): void {
    if (!this.changed) return;
    this.changed = false;
    metrics.gauge('millrace_records_in_flight', { group }, this.live);
    for (const [topic, now] of this.byTopic) {
      const before = this.published.get(topic) ?? emptyBalance();
      if (now.in > before.in) metrics.count('millrace_records_in_total', { group, topic }, now.in - before.in);
      if (now.released > before.released)
        metrics.count('millrace_records_released_total', { group, topic }, now.released - before.released);
      for (const door of DOORS)
        if (now[door] > before[door]) metrics.count('millrace_records_out_total', { group, topic, door }, now[door] - before[door]);
      this.published.set(topic, { ...now });
    }
  }

  private of(topic: string): TopicBalance {
    let balance = this.byTopic.get(topic);
    if (balance === undefined) {
      balance = emptyBalance();
      this.byTopic.set(topic, balance);
    }
    return balance;
  }
}

function emptyBalance(): TopicBalance {
  return { in: 0, acked: 0, skipped: 0, retried: 0, deadLettered: 0, released: 0 };
}

function names(balance: TopicBalance): (keyof TopicBalance)[] {
  return Object.keys(balance) as (keyof TopicBalance)[];
}
