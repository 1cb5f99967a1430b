import { describe, expect, it } from 'vitest';
import { bank } from '../../test/support/bank-domain.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { LETTER_TOPIC, letterOf } from '../../test/support/letters.ts';
import type { FoundLetter } from './found-letter.ts';
import type { GroupQueue } from './letter-queues.ts';
import { selectLetters } from './select-letters.ts';

const queue: GroupQueue = {
  ...{ topic: LETTER_TOPIC, group: 'processor.scan', source: 'events.happened', overtakingTopics: new Set<string>() },
  reader: { kind: 'processor', domain: bank },
};

function logOf(count: number) {
  return {
    read: async function* (): AsyncGenerator<FoundLetter> {
      for (let at = 0; at < count; at += 1) {
        const letter = letterOf({ at, record: consumedRecord({ at: at + 100 }) });
        yield { letter, topicId: 't', group: queue.group, queue, state: 'open' };
      }
    },
  };
}

describe('the letters of a replay', () => {
  const select = async (count: number, limit: number) =>
    selectLetters(logOf(count), [queue], {}, { limit, inboxMemory: async () => -Infinity, acceptDoubleEffects: false });

  it('are the oldest up to the limit, and say how many more fit', async () => {
    const { chosen, more } = await select(5, 2);
    expect(chosen.map(({ origin }) => origin.offset)).toEqual([100n, 101n]);
    expect(more).toBe(3);
    expect(await select(5, 5)).toMatchObject({ more: 0 });
    expect(await select(0, 5)).toMatchObject({ chosen: [], more: 0 });
  });
});
