import { fingerprint } from './fingerprint.ts';
import type { FoundLetter } from './found-letter.ts';
import type { LetterState } from './letter-states.ts';

/** Letters of one queue that most likely have one cause. */
export interface LetterHeap {
  readonly topic: string;
  readonly group: string;
  readonly code: string;
  readonly type: string | undefined;
  readonly fingerprint: string;
  /** The message of the newest one. */
  readonly message: string;
  readonly count: number;
  readonly states: Readonly<Partial<Record<LetterState, number>>>;
  /** When the oldest and the newest were written, milliseconds since the epoch. */
  readonly oldestMs: number;
  readonly newestMs: number;
}

/** A topic that somebody else writes to may hold as many kinds as letters. */
const HEAPS_MAX = 1_000;

/** Counts letters by queue, error code, event type and fingerprint, in bounded memory. */
export class LetterStats {
  private readonly byName = new Map<string, LetterHeap>();
  /** Letters of further kinds, which were counted and not told apart. */
  others = 0;

  add({ letter, queue, state }: FoundLetter): void {
    const { errorCode: code, errorMessage: message, type, writtenAtMs } = letter;
    const print = fingerprint(code, message);
    const name = [queue.topic, code, type ?? '', print].join('\0');
    const heap = this.byName.get(name);
    if (heap === undefined && this.byName.size >= HEAPS_MAX) {
      this.others += 1;
      return;
    }
    const known = heap ?? {
      ...{ topic: queue.topic, group: queue.group, code, type, fingerprint: print, message },
      ...{ count: 0, states: {}, oldestMs: writtenAtMs, newestMs: writtenAtMs },
    };
    this.byName.set(name, {
      ...known,
      message: writtenAtMs >= known.newestMs ? message : known.message,
      count: known.count + 1,
      states: { ...known.states, [state]: (known.states[state] ?? 0) + 1 },
      oldestMs: Math.min(known.oldestMs, writtenAtMs),
      newestMs: Math.max(known.newestMs, writtenAtMs),
    });
  }

  /** The largest first. */
  heaps(): readonly LetterHeap[] {
    return [...this.byName.values()].sort((a, b) => b.count - a.count || (a.topic < b.topic ? -1 : 1));
  }
}
