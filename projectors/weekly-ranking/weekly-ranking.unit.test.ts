import { describe, expect, it } from 'vitest';
import { HistoryBuilder } from '../../test/support/user-history.ts';
import { weeklyRanking, weeklyRankingKey } from './weekly-ranking.ts';

const acquired = new HistoryBuilder('user-1').add('CharacterAcquired', {
  user_id: 'user-1',
  character_id: 'c',
  character_name: 'C',
  source: 'scan',
  source_id: 'scan-1',
});

describe('the weekly ranking', () => {
  it('counts an acquisition once, for the week in which it happened in the time zone', () => {
    const sundayEveningUtc = { ...acquired, occurredAt: '2026-11-22T15:30:00.000001Z' };
    expect(weeklyRanking('Asia/Seoul').mutations(sundayEveningUtc)).toEqual([
      { op: 'count', key: 'character:ranking:2026-W48', member: 'user-1', version: 1n, by: 1 },
    ]);
    expect(weeklyRanking('UTC').mutations(sundayEveningUtc)[0]?.key).toBe('character:ranking:2026-W47');
  });

  it('asks for the history of the week day by day, with no gap, in every time zone', () => {
    const queries = weeklyRanking().history(weeklyRankingKey('2026-W47'));
    expect(queries[0]?.occurredFrom).toBe('2026-11-15T00:00:00.000Z');
    expect(queries.at(-1)?.occurredBefore).toBe('2026-11-24T00:00:00.000Z');
    for (const [index, query] of queries.entries()) {
      if (index > 0) expect(query.occurredFrom).toBe(queries[index - 1]?.occurredBefore);
      expect(query).toMatchObject({ domain: 'character', types: ['CharacterAcquired'] });
    }
  });

  it('refuses an unknown time zone before the first event', () => {
    expect(() => weeklyRanking('Mars/Base')).toThrow(RangeError);
  });
});
