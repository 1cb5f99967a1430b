import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { RelayNews, RelayOrder, RelayTask } from './relay-program.ts';

/** For `bundledProgram`. */
export const RELAY_PROGRAM = 'test/capture/relay-program.ts';
const ANSWER_WITHIN_MS = 30_000;

type News<Kind extends RelayNews['is']> = Extract<RelayNews, { is: Kind }>;

/** A relay in a process of its own: it can be killed and frozen, and says of itself only what a test asks for. */
export class RelayProcess {
  /** The signal that ended it; null after an end of its own. */
  readonly ended: Promise<NodeJS.Signals | null>;
  private readonly child: ChildProcess;
  private readonly heard: RelayNews[] = [];
  private readonly listeners = new Set<() => void>();
  private over = false;

  constructor(program: string, task: RelayTask) {
    this.child = spawn(process.execPath, [program, JSON.stringify(task)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.child.on('message', (news: RelayNews) => {
      this.heard.push(news);
      this.wake();
    });
    this.ended = once(this.child, 'exit').then(([, signal]) => {
      this.over = true;
      this.wake();
      return signal as NodeJS.Signals | null;
    });
  }

  /** Undefined: it streams or waits. Otherwise the code of the error with which it refused to start. */
  async started(): Promise<string | undefined> {
    const news = await Promise.race([this.next('started'), this.next('refused')]);
    return news.is === 'refused' ? news.code : undefined;
  }

  /** Resolves when it waits at its failpoint. */
  async held(): Promise<void> {
    await this.next('held');
  }

  async health(): Promise<News<'health'>> {
    const { length } = this.heard;
    this.order('health');
    return this.next('health', length);
  }

  release(): void {
    this.order('release');
  }

  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.child.kill(signal);
  }

  /** Gracefully. */
  async stop(): Promise<void> {
    this.askToStop();
    await this.ended;
  }

  askToStop(): void {
    this.order('stop');
  }

  /** Without a farewell, whatever state it is in. Safe to repeat. */
  async kill(): Promise<void> {
    if (!this.over) this.child.kill('SIGKILL');
    await this.ended;
  }

  private order(order: RelayOrder): void {
    if (this.child.connected) this.child.send(order);
  }

  private wake(): void {
    for (const listener of this.listeners) listener();
  }

  private async next<Kind extends RelayNews['is']>(kind: Kind, from = 0): Promise<News<Kind>> {
    const deadline = performance.now() + ANSWER_WITHIN_MS;
    for (;;) {
      const news = this.heard.slice(from).find((each) => each.is === kind);
      if (news !== undefined) return news as News<Kind>;
      const left = deadline - performance.now();
      if (this.over) throw new Error(`the relay ended before it said "${kind}"`);
      if (left <= 0) throw new Error(`the relay did not say "${kind}" in time`);
      await this.change(left);
    }
  }

  private async change(withinMs: number): Promise<void> {
    let wake: () => void = () => undefined;
    const timer = setTimeout(() => wake(), withinMs);
    await new Promise<void>((resolve) => {
      wake = resolve;
      this.listeners.add(wake);
    });
    this.listeners.delete(wake);
    clearTimeout(timer);
  }
}
