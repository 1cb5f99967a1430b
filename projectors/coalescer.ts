import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';

/** What became of one item of a batch. */
export type ItemResult<R> = { readonly ok: true; readonly value: R } | { readonly ok: false; readonly error: unknown };

export interface CoalescerOptions<I, R> {
  /** Items of one batch at most. */
  readonly itemsMax: number;
  /** How long the first item of an idle coalescer waits for company; 0: until the current turn of the event loop ends. */
  readonly lingerMs: number;
  readonly clock: Clock;
  /** One result per item, in the order of the items. A rejection is the result of every item. */
  readonly flush: (items: readonly I[]) => Promise<readonly ItemResult<R>[]>;
}

interface Waiting<I, R> {
  readonly item: I;
  readonly resolve: (value: R) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Turns concurrent calls into batches, one at a time: while one batch is under way the next one gathers, so that its size
 * follows the load by itself. It holds what its callers wait for and nothing else.
 */
export class Coalescer<I, R> {
  private readonly options: CoalescerOptions<I, R>;
  private waiting: Waiting<I, R>[] = [];
  private running = false;

  constructor(options: CoalescerOptions<I, R>) {
    this.options = options;
  }

  add(item: I): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (!this.running) void this.run();
    });
  }

  /** Never rejects: every failure is the result of an item. */
  private async run(): Promise<void> {
    this.running = true;
    await this.gather();
    while (this.waiting.length > 0) {
      const batch = this.waiting.slice(0, this.options.itemsMax);
      this.waiting = this.waiting.slice(this.options.itemsMax);
      await this.settle(batch);
    }
    this.running = false;
  }

  private async gather(): Promise<void> {
    if (this.options.lingerMs > 0) await this.options.clock.sleep(this.options.lingerMs);
    else await nextTurn();
  }

  private async settle(batch: readonly Waiting<I, R>[]): Promise<void> {
    let results: readonly ItemResult<R>[];
    try {
      results = await this.options.flush(batch.map(({ item }) => item));
    } catch (error) {
      for (const { reject } of batch) reject(error);
      return;
    }
    for (const [index, { resolve, reject }] of batch.entries()) {
      const result = results[index];
      if (result === undefined) reject(new RangeError('a flush gave fewer results than it got items'));
      else if (result.ok) resolve(result.value);
      else reject(result.error);
    }
  }
}
