/** One sample of a Prometheus exposition: labels and value. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads the text format far enough for our own metrics: name → samples. */
export function parseExposition(text: string): Map<string, Sample[]> {
  const samples = new Map<string, Sample[]>();
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (match?.[1] === undefined || line.startsWith('#')) continue;
    const labels: Record<string, string> = {};
    for (const [, name, value] of (match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      if (name !== undefined && value !== undefined) labels[name] = value;
    }
    const list = samples.get(match[1]) ?? [];
    list.push({ labels, value: match[3] === '+Inf' ? Number.POSITIVE_INFINITY : Number(match[3]) });
    samples.set(match[1], list);
  }
  return samples;
}

/**
 * Counters of processes that may be killed and started again: adds up the increases, and takes a fall for a new start. What
 * a process counted between the last look and its death is lost to the display, and to the display alone.
 */
export class CounterBook {
  private readonly last = new Map<string, number>();
  private readonly total = new Map<string, number>();

  record(series: string, value: number): void {
    const before = this.last.get(series);
    const increase = before === undefined || value < before ? value : value - before;
    this.last.set(series, value);
    this.total.set(series, (this.total.get(series) ?? 0) + increase);
  }

  /** Takes the value as the zero from which increases are counted. */
  baseline(series: string, value: number): void {
    this.last.set(series, value);
  }

  sum(matches: (series: string) => boolean): number {
    let sum = 0;
    for (const [series, value] of this.total) if (matches(series)) sum += value;
    return sum;
  }

  entries(): IterableIterator<[string, number]> {
    return this.total.entries();
  }
}

/**
 * The quantile of a cumulative histogram, by linear interpolation within its bucket as Prometheus does it.
 * @returns undefined when nothing was observed.
 */
export function quantile(buckets: readonly { readonly le: number; readonly count: number }[], q: number): number | undefined {
  const sorted = [...buckets].sort((a, b) => a.le - b.le);
  const total = sorted.at(-1)?.count ?? 0;
  if (total === 0) return undefined;
  const rank = q * total;
  let lower = 0;
  let below = 0;
  for (const { le, count } of sorted) {
    if (count >= rank) return Number.isFinite(le) ? lower + ((le - lower) * (rank - below)) / Math.max(1e-9, count - below) : lower;
    lower = le;
    below = count;
  }
  return lower;
}
