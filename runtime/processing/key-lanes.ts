/**
 * What an item's run ends with: it is finished, or it stays at the head of its lane and runs again once `after` has
 * resolved (at once when left out). While it waits, its lane waits with it and its place among the running ones is free.
 */
export type LaneVerdict = { readonly kind: 'finished' } | { readonly kind: 'again'; readonly after?: Promise<void> };

export const FINISHED: LaneVerdict = { kind: 'finished' };
export const AGAIN: LaneVerdict = { kind: 'again' };

interface KeyLanesOptions<T> {
  /** Items running at the same time, each of another lane. */
  readonly concurrencyMax: number;
  readonly run: (item: T) => Promise<LaneVerdict>;
  /** `run` or `after` rejected, which both promise not to do. The item stays where it is and the lanes are closed. */
  readonly onDefect: (error: unknown) => void;
}

interface Lane<T> {
  readonly name: string;
  items: T[];
  state: 'ready' | 'running' | 'held';
}

/**
 * Items of one lane run one at a time and in the order in which they came; items of different lanes run at the same time,
 * up to a limit, the lane that became ready first going first. Memory is what was pushed: the caller bounds it.
 */
export class KeyLanes<T extends { readonly lane: string }> {
  private readonly options: KeyLanesOptions<T>;
  private readonly lanes = new Map<string, Lane<T>>();
  private readonly ready = new Queue<Lane<T>>();
  private running = 0;
  private closed = false;

  constructor(options: KeyLanesOptions<T>) {
    this.options = options;
  }

  push(item: T): void {
    const lane = this.lanes.get(item.lane);
    if (lane !== undefined) {
      lane.items.push(item);
      return;
    }
    const fresh: Lane<T> = { name: item.lane, items: [item], state: 'ready' };
    this.lanes.set(item.lane, fresh);
    this.enqueue(fresh);
    this.pump();
  }

  /** Takes out every matching item that is not running, and returns them. */
  remove(matches: (item: T) => boolean): T[] {
    const removed: T[] = [];
    for (const lane of this.lanes.values()) this.removeFrom(lane, matches, removed);
    this.pump();
    return removed;
  }

  /** The item that the lane's others wait for. */
  headOf(lane: string): T | undefined {
    return this.lanes.get(lane)?.items[0];
  }

  /** As many items run as may at the same time. */
  get isFull(): boolean {
    return this.running >= this.options.concurrencyMax;
  }

  /** No further item begins. Those that run go on. */
  close(): void {
    this.closed = true;
  }

  private removeFrom(lane: Lane<T>, matches: (item: T) => boolean, removed: T[]): void {
    const head = lane.items[0];
    const kept: T[] = [];
    for (const item of lane.items) {
      const isRunning = item === head && lane.state === 'running';
      if (!isRunning && matches(item)) removed.push(item);
      else kept.push(item);
    }
    lane.items = kept;
    if (kept.length === 0) this.lanes.delete(lane.name);
    else if (lane.state === 'held' && kept[0] !== head) this.enqueue(lane);
  }

  private enqueue(lane: Lane<T>): void {
    lane.state = 'ready';
    this.ready.push(lane);
  }

  private pump(): void {
    while (!this.closed && this.running < this.options.concurrencyMax) {
      const lane = this.ready.shift();
      if (lane === undefined) return;
      this.begin(lane);
    }
  }

  private begin(lane: Lane<T>): void {
    const head = lane.items[0];
    // A lane may have been emptied while it stood in the queue.
    if (head === undefined || lane.state !== 'ready') return;
    lane.state = 'running';
    this.running += 1;
    this.options.run(head).then(
      (verdict) => {
        this.running -= 1;
        this.settle(lane, head, verdict);
        this.pump();
      },
      (error: unknown) => {
        this.running -= 1;
        this.defect(lane, error);
      },
    );
  }

  private settle(lane: Lane<T>, head: T, verdict: LaneVerdict): void {
    if (verdict.kind === 'again') {
      this.hold(lane, head, verdict);
      return;
    }
    lane.items.shift();
    if (lane.items.length === 0) this.lanes.delete(lane.name);
    else this.enqueue(lane);
  }

  private hold(lane: Lane<T>, head: T, verdict: LaneVerdict & { kind: 'again' }): void {
    if (verdict.after === undefined) {
      this.enqueue(lane);
      return;
    }
    lane.state = 'held';
    verdict.after.then(
      () => {
        if (lane.state !== 'held' || lane.items[0] !== head) return;
        this.enqueue(lane);
        this.pump();
      },
      (error: unknown) => {
        this.defect(lane, error);
      },
    );
  }

  private defect(lane: Lane<T>, error: unknown): void {
    this.close();
    this.enqueue(lane);
    this.options.onDefect(error);
  }
}

/** First in, first out, without the cost of shifting a long array. */
class Queue<T> {
  private items: T[] = [];
  private head = 0;

  push(item: T): void {
    this.items.push(item);
  }

  shift(): T | undefined {
    const item = this.items[this.head];
    if (item === undefined) return undefined;
    this.head += 1;
    if (this.head >= 1024 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return item;
  }
}
