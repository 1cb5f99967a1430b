import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerDriver, Consumer } from '../../core/broker.ts';

const CHECK_MS = 1_000;

/**
 * Counts the records of a topic by reading them. While nothing comes it costs nothing: what starts meanwhile has the machine for
 * itself, where looks at the topic every few milliseconds would take a good part of it.
 */
export class RecordCount {
  private readonly consumer: Consumer;
  private readonly topic: string;
  private read = 0;
  private wanted: { readonly records: number; readonly resolve: (atMs: number) => void } | undefined;

  constructor(driver: BrokerDriver, topic: string) {
    this.topic = topic;
    this.consumer = driver.consumer({ group: `count.${topic}`, topics: [topic], from: 'earliest' });
  }

  /** Reads from the beginning; resolves when it waits for records. */
  async start(): Promise<void> {
    await this.consumer.start({
      onRecords: (_partition, records) => {
        this.read += records.length;
        if (this.wanted !== undefined && this.read >= this.wanted.records) this.wanted.resolve(performance.now());
      },
      onAssigned: () => undefined,
      onRevoking: async () => undefined,
      onLost: () => undefined,
      onFatal: () => undefined,
    });
  }

  get records(): number {
    return this.read;
  }

  /**
   * Resolves with the time, by the monotonic clock, at which there were so many. `check` is called every second and may reject.
   * @throws Error when they are not there in time.
   */
  async until(records: number, options: { readonly check: () => Promise<void>; readonly withinMs: number }): Promise<number> {
    if (this.read >= records) return performance.now();
    const there = new Promise<number>((resolve) => (this.wanted = { records, resolve }));
    for (let waitedMs = 0; waitedMs < options.withinMs; waitedMs += CHECK_MS) {
      const atMs = await Promise.race([there, sleep(CHECK_MS, undefined)]);
      if (atMs !== undefined) return atMs;
      await options.check();
    }
    throw new Error(`${this.topic} got ${this.read} of ${records} records within ${options.withinMs} ms`);
  }

  async stop(): Promise<void> {
    await this.consumer.stop();
  }
}
