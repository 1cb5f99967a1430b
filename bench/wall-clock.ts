const EDGES = 5;

/**
 * The machine's wall clock in microseconds, which is also PostgreSQL's `clock_timestamp()`. Node tells it in milliseconds
 * only, so the finer part comes from the monotonic clock, set by the moments in which the millisecond changes.
 */
export class WallClock {
  private offsetMicros = 0;

  constructor() {
    this.calibrate();
  }

  /** Takes some 5 ms, in which nothing else runs. Do it again before each measurement: the two clocks drift. */
  calibrate(): void {
    // A change is seen late or at once, never early: the largest offset is the nearest to the truth.
    this.offsetMicros = Math.max(...Array.from({ length: EDGES }, offsetAtNextEdge));
  }

  micros(): number {
    return monotonicMicros() + this.offsetMicros;
  }
}

function offsetAtNextEdge(): number {
  const before = Date.now();
  let now = before;
  while (now === before) now = Date.now();
  return now * 1_000 - monotonicMicros();
}

function monotonicMicros(): number {
  return performance.now() * 1_000;
}
