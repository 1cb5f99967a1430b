import type { Lane } from './lane.ts';

/** One side of the comparison: something that can bring a lane's outbox to Kafka. */
export interface Capture {
  /** Resolves as soon as it was told to start; what it does shows in the topic. */
  start(lane: Lane): Promise<RunningCapture>;
}

export interface RunningCapture {
  /** Of the process whose CPU and memory count. */
  readonly pid: number;
  /** Rejects when it has ended by itself, or failed: a measurement that waits for it must not wait for ever. */
  assertRunning(): Promise<void>;
  stop(): Promise<void>;
}
