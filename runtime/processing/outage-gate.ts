import type { ClassifiedError } from '../../core/errors.ts';
import { reconnectDelayMs } from '../../core/retry-policy.ts';
import type { LaneVerdict } from './key-lanes.ts';
import { AGAIN } from './key-lanes.ts';

interface OutageGateOptions {
  readonly random: () => number;
  /** Resolves after the time, also when the group stops meanwhile; never rejects. */
  readonly pause: (ms: number) => Promise<void>;
  readonly onClosed: (error: ClassifiedError) => void;
  /** Gets the error that it was closed for. */
  readonly onOpened: (error: ClassifiedError) => void;
}

/**
 * Separates an outage from poison. The first record that meets an unavailable dependency closes the gate: no other record
 * begins and intake stops, while that one record is tried again with growing, jittered pauses of at most ten seconds, for
 * as long as it takes. When it gets through, or fails for a reason of its own, the gate opens.
 */
export class OutageGate<T> {
  private readonly options: OutageGateOptions;
  private probe: T | undefined;
  private reason: ClassifiedError | undefined;
  private failures = 0;

  constructor(options: OutageGateOptions) {
    this.options = options;
  }

  /** Undefined while the gate is open. */
  get closedFor(): ClassifiedError | undefined {
    return this.reason;
  }

  /** The item met an outage. It stays the head of its lane, and is the probe unless there is one. */
  wait(item: T, error: ClassifiedError): LaneVerdict {
    if (this.probe !== undefined && this.probe !== item) return AGAIN;
    this.probe = item;
    this.failures += 1;
    if (this.reason === undefined) {
      this.reason = error;
      this.options.onClosed(error);
    }
    return { kind: 'again', after: this.options.pause(reconnectDelayMs(this.failures, this.options.random())), probe: true };
  }

  /** The item's attempt ended without an outage. */
  passed(item: T): void {
    if (this.probe !== item) return;
    this.failures = 0;
    this.reopen();
  }

  /** The item is given back. If it was the probe, the next record that meets the outage takes its place and its patience. */
  abandon(item: T): void {
    if (this.probe === item) this.reopen();
  }

  private reopen(): void {
    const { reason } = this;
    this.probe = undefined;
    this.reason = undefined;
    if (reason !== undefined) this.options.onOpened(reason);
  }
}
