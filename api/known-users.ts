import type { Clock } from '../core/clock.ts';
import { classified } from '../core/errors.ts';
import type { UserDirectory } from './ports.ts';

export interface KnownUsersOptions {
  readonly entriesMax: number;
  readonly knownForMs: number;
  /** Short: a user who has just registered must not be turned away for long. */
  readonly unknownForMs: number;
  /** A directory that does not answer within this time counts as away. */
  readonly answerWithinMs: number;
  /** While the directory is away it is asked again only this often, so that requests do not queue up behind it. */
  readonly awayForMs: number;
}

export const KNOWN_USERS: KnownUsersOptions = {
  entriesMax: 50_000,
  knownForMs: 60_000,
  unknownForMs: 5_000,
  answerWithinMs: 1_000,
  awayForMs: 2_000,
};

/**
 * The user directory behind a bounded memory. While the directory is away, the signed token is trusted: an outage of the
 * auth database must not stop the commands of other domains.
 */
export class KnownUsers {
  private readonly directory: UserDirectory;
  private readonly clock: Clock;
  private readonly options: KnownUsersOptions;
  /** In order of use, the least recently used first. */
  private readonly entries = new Map<string, { readonly known: boolean; readonly untilMs: number }>();
  private readonly asking = new Map<string, Promise<boolean>>();
  private awayUntilMs = 0;

  constructor(directory: UserDirectory, clock: Clock, options: KnownUsersOptions = KNOWN_USERS) {
    this.directory = directory;
    this.clock = clock;
    this.options = options;
  }

  /** Rejects only when the directory fails in another way than an outage. */
  async isKnown(userId: string): Promise<boolean> {
    const entry = this.entries.get(userId);
    const nowMs = this.clock.monotonicMs();
    if (entry !== undefined && nowMs < entry.untilMs) {
      this.touch(userId, entry);
      return entry.known;
    }
    if (nowMs < this.awayUntilMs) return true;
    const asked = this.asking.get(userId) ?? this.ask(userId);
    return asked;
  }

  /** One question per user at a time, however many requests wait for it. */
  private ask(userId: string): Promise<boolean> {
    const answer = this.answer(userId).finally(() => this.asking.delete(userId));
    this.asking.set(userId, answer);
    return answer;
  }

  private async answer(userId: string): Promise<boolean> {
    try {
      const known = await this.inTime(this.directory.isKnownUser(userId));
      if (known === undefined) return this.away();
      const forMs = known ? this.options.knownForMs : this.options.unknownForMs;
      this.touch(userId, { known, untilMs: this.clock.monotonicMs() + forMs });
      return known;
    } catch (thrown) {
      const error = classified(thrown, 'UNCLASSIFIED', 'the user directory failed');
      if (error.disposition === 'outage') return this.away();
      throw error;
    }
  }

  private away(): boolean {
    this.awayUntilMs = this.clock.monotonicMs() + this.options.awayForMs;
    return true;
  }

  /** Undefined when the answer does not come in time. */
  private async inTime(answer: Promise<boolean>): Promise<boolean | undefined> {
    const over = new AbortController();
    const late = this.clock.sleep(this.options.answerWithinMs, over.signal).then(
      () => undefined,
      () => undefined,
    );
    try {
      return await Promise.race([answer, late]);
    } finally {
      over.abort();
      // An answer that comes too late may be a rejection; nobody waits for it any more.
      answer.catch(() => undefined);
    }
  }

  private touch(userId: string, entry: { readonly known: boolean; readonly untilMs: number }): void {
    this.entries.delete(userId);
    this.entries.set(userId, entry);
    if (this.entries.size <= this.options.entriesMax) return;
    const oldest = this.entries.keys().next();
    if (oldest.done !== true) this.entries.delete(oldest.value);
  }
}
