export interface Point {
  readonly atMs: number;
  readonly value: number;
}

/** How much the value grows per minute, by the straight line with the least squared distance. NaN for fewer than two moments. */
export function slopePerMinute(points: readonly Point[]): number {
  const mean = (of: (point: Point) => number): number => points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [meanAt, meanValue] = [mean(({ atMs }) => atMs), mean(({ value }) => value)];
  const spread = points.reduce((sum, { atMs }) => sum + (atMs - meanAt) ** 2, 0);
  const together = points.reduce((sum, { atMs, value }) => sum + (atMs - meanAt) * (value - meanValue), 0);
  return spread === 0 ? NaN : (together / spread) * 60_000;
}
