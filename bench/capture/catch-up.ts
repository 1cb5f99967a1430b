import type { BrokerAdmin } from '../../core/broker.ts';
import type { Capture } from './capture.ts';
import type { Lane } from './lane.ts';
import type { OutboxWriter } from './outbox-table.ts';
import { cpuMs, peakMemoryMb } from '../process-usage.ts';
import { TopicWatch, type TopicSample } from './topic-watch.ts';

/** Nothing comes for this long: the capture is taken for dead. Debezium needs some seconds to begin. */
const STILL_MS = 120_000;

export interface CatchUp {
  readonly rowsPerSecond: number;
  /** User and system time of the capture's process. */
  readonly cpuMicrosPerEvent: number;
  /** Shares of one core, in percent, between the first record and the last. */
  readonly captureBusy: number;
  readonly walsenderBusy: number;
  /** Of the broker's process, with all that it does; undefined when it was not asked for. */
  readonly brokerMicrosPerEvent: number | undefined;
  readonly peakMemoryMb: number;
  /** From the call that started the capture. */
  readonly firstEventMs: number;
  readonly samples: readonly TopicSample[];
}

/** Starts the capture on a lane whose rows are written, and times it from the first record in Kafka to the last. It is stopped then. */
export async function measureCatchUp(
  capture: Capture,
  lane: Lane,
  rows: number,
  { admin, writer, brokerPid }: { readonly admin: BrokerAdmin; readonly writer: OutboxWriter; readonly brokerPid?: number },
): Promise<CatchUp> {
  const watch = new TopicWatch(admin, lane.topic);
  const started = performance.now();
  const running = await capture.start(lane);
  try {
    const options = { check: () => running.assertRunning(), stillMs: STILL_MS };
    const untilFirst = await watch.until(1, options);
    const walsender = await walsenderOf(lane, writer);
    const usage = () => ({
      atMs: performance.now(),
      capture: cpuMs(running.pid),
      walsender: cpuMs(walsender),
      broker: brokerPid === undefined ? undefined : cpuMs(brokerPid),
    });
    const first = await watch.sample();
    const before = usage();
    const rest = await watch.until(rows, options);
    const after = usage();
    const last = rest.at(-1) ?? first;
    if (last.records !== rows) throw new Error(`${lane.topic} holds ${last.records} records instead of ${rows}`);
    if (last.records === first.records) throw new Error(`${rows} rows are too few to time: all were there at the first look`);
    const wallMs = after.atMs - before.atMs;
    const events = last.records - first.records;
    return {
      rowsPerSecond: rateBetween(first, last),
      cpuMicrosPerEvent: ((after.capture - before.capture) * 1_000) / events,
      captureBusy: ((after.capture - before.capture) / wallMs) * 100,
      walsenderBusy: ((after.walsender - before.walsender) / wallMs) * 100,
      brokerMicrosPerEvent:
        after.broker === undefined || before.broker === undefined ? undefined : ((after.broker - before.broker) * 1_000) / events,
      peakMemoryMb: peakMemoryMb(running.pid),
      firstEventMs: (untilFirst.at(-1)?.atMs ?? started) - started,
      samples: [first, ...rest],
    };
  } finally {
    await running.stop();
  }
}

export function rateBetween(first: TopicSample, last: TopicSample): number {
  return ((last.records - first.records) * 1_000) / (last.atMs - first.atMs);
}

async function walsenderOf(lane: Lane, writer: OutboxWriter): Promise<number> {
  const [slot] = await writer.query<{ active_pid: number | null }>('SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1', [
    lane.slot,
  ]);
  if (slot?.active_pid === undefined || slot.active_pid === null) throw new Error(`nobody reads the slot ${lane.slot}`);
  return slot.active_pid;
}
