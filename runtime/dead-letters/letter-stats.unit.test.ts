import { describe, expect, it } from 'vitest';
import { bank } from '../../test/support/bank-domain.ts';
import { LETTER_TOPIC, letterOf } from '../../test/support/letters.ts';
import type { FoundLetter } from './found-letter.ts';
import { LetterStats } from './letter-stats.ts';
import type { LetterState } from './letter-states.ts';

const queue = {
  topic: LETTER_TOPIC,
  group: 'processor.scan',
  source: 'events.happened',
  overtakingTopics: new Set<string>(),
  reader: { kind: 'processor', domain: bank },
} as const;
const found = (at: number, message: string, state: LetterState = 'open'): FoundLetter => ({
  letter: letterOf({ at, message, writtenAtMs: at }),
  ...{ queue, topicId: 't', group: queue.group, state },
});

describe('the statistics of letters', () => {
  it('count by topic, code, type and fingerprint, with the oldest and the newest and the states', () => {
    const stats = new LetterStats();
    for (const each of [found(3, 'row 1'), found(1, 'row 2', 'archived'), found(2, 'row 3'), found(9, 'else')]) stats.add(each);
    expect(stats.heaps()).toMatchObject([
      {
        topic: LETTER_TOPIC,
        code: 'DECISION_FAILED',
        type: 'Happened',
        count: 3,
        states: { open: 2, archived: 1 },
        oldestMs: 1,
        newestMs: 3,
        message: 'row 1',
      },
      { count: 1, message: 'else', states: { open: 1 } },
    ]);
    expect(stats.others).toBe(0);
  });

  it('are bounded: kinds beyond the thousandth are counted together', () => {
    const stats = new LetterStats();
    // Letters, because digits do not make another kind.
    const word = (n: number): string => String.fromCharCode(...[n / 676, (n / 26) % 26, n % 26].map((digit) => 97 + Math.floor(digit)));
    for (let n = 0; n < 1_002; n += 1) stats.add(found(n, word(n)));
    stats.add(found(1, word(0)));
    expect(stats.heaps()).toHaveLength(1_000);
    expect(stats.others).toBe(2);
    expect(stats.heaps()[0]?.count).toBe(2);
  });
});
