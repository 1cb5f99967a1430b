import type { TopicPartition } from '../../core/record.ts';

/** Longer than any member takes to notice by itself that a topic is another one, and to join its group again. */
const REMEMBERED_MS = 15 * 60_000;

interface Remade {
  readonly untilMs: number;
  /** Partitions for which this member has committed a position of the new log. */
  readonly begun: Set<number>;
}

/**
 * Topics that were made again, and what of them this member has still to read from the beginning. What was committed for such a
 * partition may be a position of the old log, committed by whoever had it since: also a partition that comes to this member
 * later, from one that had not noticed yet, is begun anew. That is once too often when its owner had done so before, and only
 * repeats records.
 */
export class RemadeTopics {
  private readonly topics = new Map<string, Remade>();
  private readonly nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.nowMs = nowMs;
  }

  add(topics: readonly string[]): void {
    for (const topic of topics) this.topics.set(topic, { untilMs: this.nowMs() + REMEMBERED_MS, begun: new Set() });
  }

  /** Those of the assigned partitions that are to be read from their beginning. */
  unbegun<P extends TopicPartition>(assigned: readonly P[]): readonly P[] {
    for (const [topic, { untilMs }] of this.topics) if (untilMs <= this.nowMs()) this.topics.delete(topic);
    return assigned.filter(({ topic, partition }) => this.topics.get(topic)?.begun.has(partition) === false);
  }

  /** What this member has committed since is of the new log. */
  committed(partitions: readonly TopicPartition[]): void {
    if (this.topics.size === 0) return;
    for (const { topic, partition } of partitions) this.topics.get(topic)?.begun.add(partition);
  }
}
