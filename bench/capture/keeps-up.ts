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
