import { OrderCheck } from './order-check.ts';

/** One reading of the topic by one group. */
export interface PassOrder {
  readonly group: string;
  /** Different records after which the pass is over. */
  readonly records: number;
}

export interface PassOutcome {
  /** From the begin of the first handler to the end of the last one. */
  readonly wallMs: number;
  /** User and system time of the process over the same time. */
  readonly cpuMs: number;
  readonly violations: number;
  readonly repeats: number;
  /** Requests that committed offsets, until the group had stopped. */
  commits: number;
}

/** The handler that every side runs: it waits, and what it is given is checked. */
export class Pass {
  /** Resolves when all records were handled. */
  readonly over: Promise<void>;
  private readonly check: OrderCheck;
  private readonly order: PassOrder;
  private readonly handlerMs: number;
  private finish: () => void = () => undefined;
  private began: { readonly atMs: number; readonly cpu: NodeJS.CpuUsage } | undefined;
  private measured: Pick<PassOutcome, 'wallMs' | 'cpuMs'> | undefined;
  commits = 0;

  constructor(order: PassOrder, options: { readonly keys: number; readonly handlerMs: number; readonly topicRecords: number }) {
    this.order = order;
    this.handlerMs = options.handlerMs;
    this.check = new OrderCheck(options.keys, options.topicRecords);
    this.over = new Promise((resolve) => (this.finish = resolve));
  }

  async handle(key: number, partition: number, offset: number): Promise<void> {
    this.began ??= { atMs: performance.now(), cpu: process.cpuUsage() };
    this.check.begin(key, partition, offset);
    await new Promise((resolve) => setTimeout(resolve, this.handlerMs));
    this.check.end(key);
    if (this.check.distinct >= this.order.records && this.check.ended >= this.order.records) this.end();
  }

  /** @throws Error when it is not over. */
  outcome(): PassOutcome {
    if (this.measured === undefined) throw new Error('the pass is not over');
    const { violations, repeats } = this.check;
    return { ...this.measured, violations, repeats, commits: this.commits };
  }

  private end(): void {
    if (this.measured !== undefined || this.began === undefined) return;
    const cpu = process.cpuUsage(this.began.cpu);
    this.measured = { wallMs: performance.now() - this.began.atMs, cpuMs: (cpu.user + cpu.system) / 1_000 };
    this.finish();
  }
}
