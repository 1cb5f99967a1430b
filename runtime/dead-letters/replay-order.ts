import type { Origin } from './letter.ts';

/**
 * The order in which letters of one group are replayed: that in which their records stood in the topics. Within a partition
 * by offset; partitions are merged by the records' times, which are those of their commits. So the letters of one key come in
 * the order in which its events were committed, over all topics of the group, whenever each of them failed.
 */
export function inOrderOfOrigin<T extends { readonly origin: Origin }>(letters: readonly T[]): T[] {
  const partitions = new Map<string, T[]>();
  for (const letter of letters) {
    const name = `${letter.origin.topic}/${letter.origin.partition}`;
    const known = partitions.get(name);
    if (known === undefined) partitions.set(name, [letter]);
    else known.push(letter);
  }
  const queues = [...partitions.values()].map((of) => ({ of: of.sort(byOffset), next: 0 }));
  const merged: T[] = [];
  for (let earliest = earliestOf(queues); earliest !== undefined; earliest = earliestOf(queues)) {
    merged.push(earliest.head);
    earliest.queue.next += 1;
  }
  return merged;
}

interface Queue<T> {
  readonly of: readonly T[];
  next: number;
}

function earliestOf<T extends { readonly origin: Origin }>(queues: readonly Queue<T>[]): { queue: Queue<T>; head: T } | undefined {
  let earliest: { queue: Queue<T>; head: T } | undefined;
  for (const queue of queues) {
    const head = queue.of[queue.next];
    if (head === undefined) continue;
    if (earliest === undefined || head.origin.timestampMs < earliest.head.origin.timestampMs) earliest = { queue, head };
  }
  return earliest;
}

function byOffset(a: { readonly origin: Origin }, b: { readonly origin: Origin }): number {
  if (a.origin.offset === b.origin.offset) return 0;
  return a.origin.offset < b.origin.offset ? -1 : 1;
}
