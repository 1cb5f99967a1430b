/** A batch that failed is done again in parts, so many at the same time: who is stuck in one of them leaves the other to its neighbours. */
export const LANES = 2;

/**
 * Runs the parts, at most `lanesMax` at the same time, the first ones first. A part that cannot be done as a whole answers
 * with what of it is to be done in smaller ones, which go to the end. `run` never rejects.
 */
export async function runInParts<T>(parts: readonly T[], lanesMax: number, run: (part: T) => Promise<readonly T[]>): Promise<void> {
  const waiting = [...parts];
  const running = new Set<Promise<void>>();
  const begin = (part: T): void => {
    const lane = run(part).then((smaller) => {
      running.delete(lane);
      waiting.push(...smaller);
    });
    running.add(lane);
  };
  while (waiting.length > 0 || running.size > 0) {
    while (running.size < lanesMax) {
      const part = waiting.shift();
      if (part === undefined) break;
      begin(part);
    }
    await Promise.race(running);
  }
}

/** At most so many parts of about the same size, in the order of the items. */
export function split<T>(items: readonly T[], partsMax: number): readonly (readonly T[])[] {
  const size = Math.max(1, Math.ceil(items.length / partsMax));
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));
}
