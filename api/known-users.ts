import type { Clock } from '../core/clock.ts';
import type { UserDirectory } from './ports.ts';
import { spreadLives } from './spread-lives.ts';
import type { WhileAwayOptions } from './while-away.ts';
import { WhileAway } from './while-away.ts';

export interface KnownUsersOptions extends WhileAwayOptions {
  readonly entriesMax: number;
  /** At most. */
  readonly knownForMs: number;
  /** Short: a user who has just registered must not be turned away for long. */
  readonly unknownForMs: number;
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
  private readonly whileAway: WhileAway;
  private readonly knownLifeMs: () => number;

  constructor(directory: UserDirectory, clock: Clock, options: KnownUsersOptions = KNOWN_USERS) {
    this.directory = directory;
    this.clock = clock;
    this.options = options;
    this.whileAway = new WhileAway(clock, options);
    this.knownLifeMs = spreadLives(options.knownForMs);
  }

  /** Rejects only when the directory fails in another way than an outage. */
  async isKnown(userId: string): Promise<boolean> {
    const entry = this.entries.get(userId);
    const nowMs = this.clock.monotonicMs();
    if (entry !== undefined && nowMs < entry.untilMs) {
      this.touch(userId, entry);
      return entry.known;
    }
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
    const known = await this.whileAway.ask(() => this.directory.isKnownUser(userId), 'the user directory');
    if (known === undefined) return true;
    const forMs = known ? this.knownLifeMs() : this.options.unknownForMs;
    this.touch(userId, { known, untilMs: this.clock.monotonicMs() + forMs });
    return known;
  }

  private touch(userId: string, entry: { readonly known: boolean; readonly untilMs: number }): void {
    this.entries.delete(userId);
    this.entries.set(userId, entry);
    if (this.entries.size <= this.options.entriesMax) return;
    const oldest = this.entries.keys().next();
    if (oldest.done !== true) this.entries.delete(oldest.value);
  }
}
