import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerAdmin } from '../../core/broker.ts';

export interface TopicSample {
  /** By the monotonic clock. */
  readonly atMs: number;
  readonly records: number;
}

const FIRST_POLL_MS = 2;
const POLL_MS = 20;
const CHECK_MS = 1_000;

/** Counts the records of a topic by the ends of its partitions, which costs far less than reading them. */
export class TopicWatch {
  private readonly admin: BrokerAdmin;
  private readonly topic: string;

  constructor(admin: BrokerAdmin, topic: string) {
    this.admin = admin;
    this.topic = topic;
  }

  /** The count lies between what it was when the question was sent and when it was answered; the time is the middle. */
  async sample(): Promise<TopicSample> {
    const asked = performance.now();
    const partitions = await this.admin.offsets([this.topic]);
    const records = partitions.reduce((sum, { end }) => sum + Number(end), 0);
    return { atMs: (asked + performance.now()) / 2, records };
  }

  /**
   * Resolves when the topic holds at least that many. `check` is called every second and may reject to end the wait.
   * @throws Error when nothing was added for `stillMs`.
   */
  async until(records: number, options: { readonly check: () => Promise<void>; readonly stillMs: number }): Promise<TopicSample[]> {
    const samples: TopicSample[] = [];
    let moved = performance.now();
    let checked = moved;
    for (;;) {
      const sample = await this.sample();
      if (sample.records > (samples.at(-1)?.records ?? 0)) moved = sample.atMs;
      samples.push(sample);
      if (sample.records >= records) return samples;
      if (sample.atMs - moved > options.stillMs) {
        throw new Error(`${this.topic} holds ${sample.records} of ${records} records and gets no more`);
      }
      if (sample.atMs - checked > CHECK_MS) {
        checked = sample.atMs;
        await options.check();
      }
      await sleep(sample.records === 0 ? FIRST_POLL_MS : POLL_MS);
    }
  }
}
