import type { BrokerDriver, Consumer } from '../../core/broker.ts';
import { headerBytes } from './verify.ts';
import { rowNumber } from './outbox-table.ts';
import type { WallClock } from '../wall-clock.ts';

export interface Latencies {
  readonly toAppend: Float64Array;
  readonly toConsumer: Float64Array;
}

/**
 * A consumer that notes when each row was readable in Kafka: the time at which the record is in this process, in
 * microseconds since the epoch. The topic carries the broker's own append time, which is what a latency of a capture ends with:
 * what comes after it is this consumer's.
 */
export class ArrivalObserver {
  private readonly consumer: Consumer;
  private readonly clock: WallClock;
  /** By row number, less `base`; 0: not yet. */
  private arrived = new Float64Array(0);
  private appended = new Float64Array(0);
  private base = 0;
  private missing = 0;
  private duplicates = 0;
  private fault: Error | undefined;

  constructor(driver: BrokerDriver, topic: string, clock: WallClock) {
    this.consumer = driver.consumer({ group: `observer.${topic}`, topics: [topic], from: 'earliest' });
    this.clock = clock;
  }

  async start(): Promise<void> {
    await this.consumer.start({
      onRecords: (_partition, records) => {
        const now = this.clock.micros();
        for (const record of records) {
          const id = headerBytes(record, 'id');
          if (id !== undefined) this.note(rowNumber(id) - this.base, now, record.timestampMs);
        }
      },
      onAssigned: () => undefined,
      onRevoking: async () => undefined,
      onLost: () => undefined,
      onFatal: (error) => (this.fault ??= error),
    });
  }

  /** From now on these rows are awaited, and no others. */
  expect(first: number, rows: number): void {
    this.base = first;
    this.arrived = new Float64Array(rows);
    this.appended = new Float64Array(rows);
    this.missing = rows;
    this.duplicates = 0;
  }

  /** @throws Error when the consumer has ended by itself. */
  remaining(): number {
    if (this.fault !== undefined) throw this.fault;
    return this.missing;
  }

  /**
   * Milliseconds from each row's commit until the broker appended it, and until it was here; every row must have arrived. The
   * broker cuts its time to whole milliseconds, so each append is taken to be in the middle of its own.
   */
  latenciesMs(committedMicros: Float64Array): Latencies {
    if (this.missing > 0 || this.duplicates > 0) throw new Error(`${this.missing} rows are missing and ${this.duplicates} came twice`);
    const committedMs = committedMicros.map((micros) => micros / 1_000);
    return {
      toAppend: this.appended.map((ms, index) => ms + 0.5 - (committedMs[index] ?? NaN)),
      toConsumer: this.arrived.map((micros, index) => micros / 1_000 - (committedMs[index] ?? NaN)),
    };
  }

  async stop(): Promise<void> {
    await this.consumer.stop();
  }

  private note(index: number, micros: number, appendedMs: number): void {
    if (index < 0 || index >= this.arrived.length) return;
    if (this.arrived[index] !== 0) {
      this.duplicates += 1;
      return;
    }
    this.arrived[index] = micros;
    this.appended[index] = appendedMs;
    this.missing -= 1;
  }
}
