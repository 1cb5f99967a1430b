/** Time as a port: decisions never ask for it, stages ask this and tests turn it by hand. */
export interface Clock {
  /** Milliseconds since the epoch. May jump; never used to order or to de-duplicate. */
  nowMs(): number;
  /** Monotonic milliseconds: for measuring and for deadlines. */
  monotonicMs(): number;
  /** Resolves after the time, or rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
