import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerAdmin, BrokerDriver } from '../../core/broker.ts';
import type { Capture } from './capture.ts';
import type { Lane } from './lane.ts';
import type { OutboxWriter } from './outbox-table.ts';
import { peakMemoryMb } from '../process-usage.ts';
import { TopicWatch } from './topic-watch.ts';
import { verifyTopic } from './verify.ts';

const STILL_MS = 180_000;
/** Load before the stall and after it. */
const AROUND_SECONDS = 2;

export interface StalledBroker {
  readonly peakMemoryMb: number;
  /** From the return of the broker until every row is in the topic; rows are written for 2 s of it. */
  readonly recoveryMs: number;
  readonly duplicates: number;
}

/** One-row transactions go on at a rate while the broker does not answer, because its process is stopped, for `stallSeconds`. No row may be missing then. */
export async function measureStalledBroker(
  capture: Capture,
  lane: Lane,
  load: { readonly rate: number; readonly stallSeconds: number; readonly brokerPid: number; readonly signal: AbortSignal },
  { admin, driver, writer }: { readonly admin: BrokerAdmin; readonly driver: BrokerDriver; readonly writer: OutboxWriter },
): Promise<StalledBroker> {
  const watch = new TopicWatch(admin, lane.topic);
  const running = await capture.start(lane);
  try {
    const check = () => running.assertRunning();
    const first = await writer.write(lane.domain, 1, 1);
    await watch.until(1, { check, stillMs: STILL_MS });
    const rows = load.rate * (load.stallSeconds + 2 * AROUND_SECONDS);
    const writing = writer.writePaced(lane.domain, { first: writer.take(rows), rows, perSecond: load.rate, durable: false });
    await sleep(AROUND_SECONDS * 1_000);
    await stalled(load.brokerPid, load.stallSeconds * 1_000, load.signal);
    const returned = performance.now();
    await writing;
    const samples = await watch.until(rows + 1, { check, stillMs: STILL_MS });
    const measured = { peakMemoryMb: peakMemoryMb(running.pid), recoveryMs: (samples.at(-1)?.atMs ?? NaN) - returned };
    return { ...measured, duplicates: await verifyTopic(driver, lane.topic, { first, rows: rows + 1 }) };
  } finally {
    await running.stop();
  }
}

/** Continued also when the benchmark is interrupted: a stopped process does not end. */
async function stalled(pid: number, ms: number, signal: AbortSignal): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  try {
    await sleep(ms, undefined, { signal });
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}
