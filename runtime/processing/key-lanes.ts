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
  /** Begins the item's run, whose end is told to `ended`, in the same turn or later: a call and no promise, for every record. */
  readonly run: (item: T) => void;
  /** `run` threw, `after` rejected, or somebody says `failed`: all promise not to. The item stays where it is and the lanes are closed. */
  readonly onDefect: (error: unknown) => void;
}

interface Lane<T> {
  readonly name: string;
  head: T;
  /** What waits behind it; most lanes have nothing, and no list for it. */
  rest: T[] | undefined;
  state: 'ready' | 'running' | 'held' | 'empty';
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
  private pumping = false;
  private closed = false;

  constructor(options: KeyLanesOptions<T>) {
    this.options = options;
  }

  push(item: T): void {
    const lane = this.lanes.get(item.lane);
    if (lane !== undefined) {
      if (lane.rest === undefined) lane.rest = [item];
      else lane.rest.push(item);
      return;
    }
    const fresh: Lane<T> = { name: item.lane, head: item, rest: undefined, state: 'ready' };
    this.lanes.set(item.lane, fresh);
    this.enqueue(fresh);
    this.pump();
  }

  /** In front of all items of its lane that do not run. */
  pushFirst(item: T): void {
    const lane = this.lanes.get(item.lane);
    if (lane === undefined) {
      this.push(item);
      return;
    }
    if (lane.state === 'running') {
      lane.rest = [item, ...(lane.rest ?? [])];
      return;
    }
    lane.rest = [lane.head, ...(lane.rest ?? [])];
    lane.head = item;
    if (lane.state === 'held') this.enqueue(lane);
    this.pump();
  }

  /** The run of the head of its lane has come to its end. */
  ended(item: T, verdict: LaneVerdict): void {
    const lane = this.runningLaneOf(item);
    if (lane === undefined) return;
    this.running -= 1;
    if (verdict.kind === 'again') this.hold(lane, item, verdict);
    else this.advance(lane);
    this.pump();
  }

  /** The run of the head of its lane has broken off, for a reason that there must not be. */
  failed(item: T, error: unknown): void {
    const lane = this.runningLaneOf(item);
    if (lane === undefined) return;
    this.running -= 1;
    this.defect(lane, error);
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
    return this.lanes.get(lane)?.head;
  }

  /** As many items run as may at the same time. */
  get isFull(): boolean {
    return this.running >= this.options.concurrencyMax;
  }

  /** No further item begins. Those that run go on. */
  close(): void {
    this.closed = true;
  }

  private runningLaneOf(item: T): Lane<T> | undefined {
    const lane = this.lanes.get(item.lane);
    return lane?.state === 'running' && lane.head === item ? lane : undefined;
  }

  private removeFrom(lane: Lane<T>, matches: (item: T) => boolean, removed: T[]): void {
    const { head } = lane;
    const kept: T[] = [];
    for (const item of [head, ...(lane.rest ?? [])]) {
      const isRunning = item === head && lane.state === 'running';
      if (!isRunning && matches(item)) removed.push(item);
      else kept.push(item);
    }
    const [first, ...rest] = kept;
    lane.rest = rest.length === 0 ? undefined : rest;
    if (first === undefined) this.leave(lane);
    else if (first !== head) {
      lane.head = first;
      if (lane.state === 'held') this.enqueue(lane);
    }
  }

  /** Its head is finished. */
  private advance(lane: Lane<T>): void {
    const next = lane.rest?.shift();
    if (next === undefined) this.leave(lane);
    else {
      lane.head = next;
      this.enqueue(lane);
    }
  }

  private leave(lane: Lane<T>): void {
    lane.state = 'empty';
    this.lanes.delete(lane.name);
  }

  private enqueue(lane: Lane<T>): void {
    lane.state = 'ready';
    this.ready.push(lane);
  }

  /** One at a time: an item that ends at once leaves the next one to the loop that began it, and not to a deeper call. */
  private pump(): void {
    if (this.pumping) return;
    this.pumping = true;
    while (!this.closed && this.running < this.options.concurrencyMax) {
      const lane = this.ready.shift();
      if (lane === undefined) break;
      this.begin(lane);
    }
    this.pumping = false;
  }

  private begin(lane: Lane<T>): void {
    // A lane may have been emptied while it stood in the queue.
    if (lane.state !== 'ready') return;
    const { head } = lane;
    lane.state = 'running';
    this.running += 1;
    try {
      this.options.run(head);
    } catch (error) {
      this.failed(head, error);
    }
  }

  private hold(lane: Lane<T>, head: T, verdict: LaneVerdict & { kind: 'again' }): void {
    if (verdict.after === undefined) {
      this.enqueue(lane);
      return;
    }
    lane.state = 'held';
    verdict.after.then(
      () => {
        if (lane.state !== 'held' || lane.head !== head) return;
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
  private items: (T | undefined)[] = [];
  private head = 0;

  push(item: T): void {
    this.items.push(item);
  }

  shift(): T | undefined {
    const item = this.items[this.head];
    if (item === undefined) return undefined;
    // What has gone must not be held by the place that it had.
    this.items[this.head] = undefined;
    this.head += 1;
    if (this.head >= 1024 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return item;
  }
}
