import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const ANSWER_WITHIN_MS = 60_000;

/** A test's program in a process of its own, which can be killed and frozen; what it says has a kind, `is`. */
export class ChildProgram<News extends { readonly is: string }, Order> {
  /** The signal that ended it; null after an end of its own. */
  readonly ended: Promise<NodeJS.Signals | null>;
  readonly heard: News[] = [];
  private readonly child: ChildProcess;
  private readonly listeners = new Set<() => void>();
  private over = false;

  /**
   * @param program as `bundledProgram` returns it.
   * @param task what the program finds as JSON in its first argument.
   */
  constructor(program: string, task: unknown) {
    this.child = spawn(process.execPath, [program, JSON.stringify(task)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.child.on('message', (news: News) => {
      this.heard.push(news);
      this.wake();
    });
    this.ended = once(this.child, 'exit').then(([, signal]) => {
      this.over = true;
      this.wake();
      return signal as NodeJS.Signals | null;
    });
  }

  get isOver(): boolean {
    return this.over;
  }

  tell(order: Order & object): void {
    if (this.child.connected) this.child.send(order);
  }

  /** The next news of the kind that are not among the first `from`; fails when the program ends before. */
  async next<Kind extends News['is']>(kind: Kind, from = 0): Promise<Extract<News, { readonly is: Kind }>> {
    const deadline = performance.now() + ANSWER_WITHIN_MS;
    for (;;) {
      const news = this.heard.slice(from).find((each) => each.is === kind);
      if (news !== undefined) return news as Extract<News, { readonly is: Kind }>;
      if (this.over) throw new Error(`the program ended before it said ${kind}`);
      const restMs = deadline - performance.now();
      if (restMs <= 0) throw new Error(`the program has not said ${kind} in time`);
      await this.woken(restMs);
    }
  }

  /** Asks, and waits for what it says to that. */
  async ask<Kind extends News['is']>(order: Order & object, kind: Kind): Promise<Extract<News, { readonly is: Kind }>> {
    const { length } = this.heard;
    this.tell(order);
    return this.next(kind, length);
  }

  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.child.kill(signal);
  }

  /** Without a farewell, whatever state it is in. Safe to repeat. */
  async kill(): Promise<void> {
    if (!this.over) this.child.kill('SIGKILL');
    await this.ended;
  }

  private wake(): void {
    for (const listener of this.listeners) listener();
  }

  private async woken(withinMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.listeners.delete(done);
        resolve();
      };
      const timer = setTimeout(done, withinMs);
      this.listeners.add(done);
    });
  }
}
