/** The middle of the values; the mean of the two middle ones when their number is even. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? NaN;
  return (lower + upper) / 2;
}

/** The smallest value that at least `share` (0 to 1) of the values do not exceed (nearest rank). NaN for none. */
export function percentile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  const rank = Math.ceil(sorted.length * share);
  return sorted[Math.min(sorted.length, Math.max(rank, 1)) - 1] ?? NaN;
}

export interface LagSample {
  readonly atMs: number;
  readonly rows: number;
}

/** Of the rate that is written, a lag that grows by less than this in the same time does not grow. */
const GROWTH_SHARE_MAX = 0.02;

/**
 * Whether a capture kept up with a rate (rows per second): between the second and the last quarter of the time its lag grew
 * by no more than a fiftieth of what was written. The first quarter is left to the capture to find its pace.
 */
export function keepsUp(samples: readonly LagSample[], rate: number): boolean {
  const quarter = Math.floor(samples.length / 4);
  if (quarter === 0) return false;
  const early = meanOf(samples.slice(quarter, 2 * quarter));
  const late = meanOf(samples.slice(-quarter));
  const growthPerSecond = (late.rows - early.rows) / ((late.atMs - early.atMs) / 1_000);
  return growthPerSecond <= GROWTH_SHARE_MAX * rate;
}

function meanOf(samples: readonly LagSample[]): LagSample {
  const sum = (pick: (sample: LagSample) => number): number => samples.reduce((total, sample) => total + pick(sample), 0);
  return { atMs: sum(({ atMs }) => atMs) / samples.length, rows: sum(({ rows }) => rows) / samples.length };
}
