import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerAdmin } from '../../core/broker.ts';

export interface TopicSample {
  /** By the monotonic clock. */
  readonly atMs: number;
  readonly records: number;
}

const FIRST_POLL_MS = 5;
/** A look costs the broker and this process what the capture could use: few, until the end is near. */
const POLL_MS_MIN = 5;
const STILL_POLL_MS = 20;
const POLL_MS_MAX = 100;
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
      await sleep(pauseMs(samples, records));
    }
  }
}

/** A quarter of the time that the rest will take at the rate of the last two looks. */
export function pauseMs(samples: readonly TopicSample[], wanted: number): number {
  const [last, before] = [samples.at(-1), samples.at(-2)];
  if (last === undefined || last.records === 0) return FIRST_POLL_MS;
  if (before === undefined || last.records <= before.records) return STILL_POLL_MS;
  const perMs = (last.records - before.records) / (last.atMs - before.atMs);
  return Math.min(POLL_MS_MAX, Math.max(POLL_MS_MIN, (wanted - last.records) / perMs / 4));
}
