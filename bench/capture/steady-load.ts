import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerAdmin, BrokerDriver } from '../../core/broker.ts';
import { cpuMs } from '../process-usage.ts';
import { percentile } from '../statistics.ts';
import { WallClock } from '../wall-clock.ts';
import { ArrivalObserver } from './arrival-observer.ts';
import type { Capture, RunningCapture } from './capture.ts';
import type { Lane } from './lane.ts';
import type { OutboxWriter } from './outbox-table.ts';
import { keepsUp, type LagSample } from './keeps-up.ts';
import { TopicWatch } from './topic-watch.ts';

const ARRIVE_WITHIN_MS = 120_000;
const POLL_MS = 10;
const WARM_UP_SECONDS = 2;
const LAG_POLL_MS = 100;
/** A writer that is later than this share of its time did not write at the rate that it was told. */
const WRITER_LATE_MAX = 0.05;

export interface LoadTools {
  readonly admin: BrokerAdmin;
  readonly driver: BrokerDriver;
  readonly writer: OutboxWriter;
}

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** Latencies in milliseconds. */
export interface LoadLatency {
  /** From the commit to the append in Kafka. */
  readonly append: Percentiles;
  /** From the commit until a consumer holds the record. */
  readonly consumer: Percentiles;
}

export interface SteadyLoad extends LoadLatency {
  readonly cpuMicrosPerEvent: number;
}

/** A capture that runs and has shown that it does, with an observer at its topic. */
export class LoadedLane {
  private readonly lane: Lane;
  private readonly running: RunningCapture;
  private readonly observer: ArrivalObserver;
  private readonly clock: WallClock;
  private readonly tools: LoadTools;

  private constructor(lane: Lane, running: RunningCapture, observer: ArrivalObserver, clock: WallClock, tools: LoadTools) {
    this.lane = lane;
    this.running = running;
    this.observer = observer;
    this.clock = clock;
    this.tools = tools;
  }

  /** Starts both and lets some rows through, so that nothing of what is measured is the first of its kind. */
  static async open(capture: Capture, lane: Lane, tools: LoadTools): Promise<LoadedLane> {
    const clock = new WallClock();
    const observer = new ArrivalObserver(tools.driver, lane.topic, clock);
    const running = await capture.start(lane);
    const loaded = new LoadedLane(lane, running, observer, clock, tools);
    try {
      await observer.start();
      await loaded.pass(1, 1, true);
      return loaded;
    } catch (error) {
      await loaded.close();
      throw error;
    }
  }

  /**
   * Engines compile what runs often, for some ten thousand rows. Kafka Connect keeps its process from measurement to measurement,
   * a relay has begun a moment ago: without it, the compilers of one side would be measured and not those of the other.
   */
  async warmUp(rows: number, rate: number): Promise<void> {
    await this.pass(rows, rate, true);
  }

  /** One-row transactions at a rate (rows per second) that each wait for the disk. */
  async steady(rate: number, seconds: number): Promise<SteadyLoad> {
    await this.pass(rate * WARM_UP_SECONDS, rate, true);
    this.clock.calibrate();
    const before = cpuMs(this.running.pid);
    const committed = await this.pass(rate * seconds, rate, true);
    const cpu = cpuMs(this.running.pid) - before;
    return { ...this.latency(committed), cpuMicrosPerEvent: (cpu * 1_000) / committed.length };
  }

  /** Undefined when the writer or the capture cannot keep up with the rate. Its transactions do not wait for the disk. */
  async tryRate(rate: number, seconds: number): Promise<LoadLatency | undefined> {
    this.clock.calibrate();
    const started = performance.now();
    const rows = rate * seconds;
    const watch = new TopicWatch(this.tools.admin, this.lane.topic);
    const earlier = (await watch.sample()).records;
    const samples: LagSample[] = [];
    const written = new AbortController();
    let writerMs = 0;
    const passing = this.pass(rows, rate, false, () => {
      writerMs = performance.now() - started;
      written.abort();
    });
    const watching = (async () => {
      while (!written.signal.aborted) {
        const { atMs, records } = await watch.sample();
        samples.push({ atMs, rows: Math.min(rows, ((atMs - started) / 1_000) * rate) - (records - earlier) });
        await sleep(LAG_POLL_MS);
      }
    })();
    const [committed] = await Promise.all([passing, watching]);
    const inTime = writerMs <= seconds * 1_000 * (1 + WRITER_LATE_MAX);
    return inTime && keepsUp(samples, rate) ? this.latency(committed) : undefined;
  }

  async close(): Promise<void> {
    await Promise.all([this.observer.stop(), this.running.stop()]);
  }

  private latency(committedMicros: Float64Array): LoadLatency {
    const { toAppend, toConsumer } = this.observer.latenciesMs(committedMicros);
    return { append: percentiles(toAppend), consumer: percentiles(toConsumer) };
  }

  /** Writes rows and waits until all of them have arrived; resolves with the times of their commits. */
  private async pass(rows: number, perSecond: number, durable: boolean, onWritten?: () => void): Promise<Float64Array> {
    const first = this.tools.writer.take(rows);
    this.observer.expect(first, rows);
    const committed = await this.tools.writer.writePaced(this.lane.domain, { first, rows, perSecond, durable }).finally(onWritten);
    for (const deadline = Date.now() + ARRIVE_WITHIN_MS; this.observer.remaining() > 0;) {
      if (Date.now() > deadline) throw new Error(`${this.observer.remaining()} rows of ${this.lane.topic} did not arrive`);
      await this.running.assertRunning();
      await sleep(POLL_MS);
    }
    return committed;
  }
}

function percentiles(latenciesMs: Float64Array): Percentiles {
  return { p50: percentile(latenciesMs, 0.5), p99: percentile(latenciesMs, 0.99), p999: percentile(latenciesMs, 0.999) };
}
