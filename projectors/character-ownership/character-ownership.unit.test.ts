import { describe, expect, it } from 'vitest';
import type { EventRecord } from '../../core/envelope.ts';
import type { JsonObject } from '../../core/json.ts';
import { HistoryBuilder } from '../../test/support/user-history.ts';
import { characterOwnership } from './character-ownership.ts';

const user_id = 'user-1';

function lifeOf(user: HistoryBuilder) {
  return {
    acquire: (character_id: string) =>
      user.add('CharacterAcquired', { user_id, character_id, character_name: 'Name', source: 'scan', source_id: 'scan-1' }),
    lose: (character_id: string) => user.add('CharacterLost', { user_id, character_id, reason: 'traded' }),
    evolve: (from: string, to: string) =>
      user.add('CharacterEvolved', { user_id, from_character_id: from, to_character_id: to, evolution_level: 1, character_name: 'Next' }),
  };
}

function fold(id: string, events: readonly EventRecord[]): JsonObject | undefined {
  return events.reduce<JsonObject | undefined>((document, event) => characterOwnership.fold(document, event, id), undefined);
}

describe('the ownership of a character', () => {
  it('begins with the acquisition', () => {
    const acquired = lifeOf(new HistoryBuilder(user_id)).acquire('a');
    expect(characterOwnership.documentIds(acquired)).toEqual(['user-1:a']);
    expect(fold('user-1:a', [acquired])).toEqual({
      user_id,
      character_id: 'a',
      character_name: 'Name',
      source: 'scan',
      source_id: 'scan-1',
      acquired_at: acquired.occurredAt,
      owned: true,
      lost_reason: null,
      lost_at: null,
      acquired_version: '1',
      lost_version: '0',
    });
  });

  it('leaves a tombstone when the character is lost, and comes back with a later acquisition', () => {
    const life = lifeOf(new HistoryBuilder(user_id));
    const [first, lost, again] = [life.acquire('a'), life.lose('a'), life.acquire('a')];
    expect(fold('user-1:a', [first, lost])).toMatchObject({ owned: false, lost_reason: 'traded', lost_version: '2' });
    const expected = fold('user-1:a', [first, lost, again]);
    expect(expected).toMatchObject({ owned: true, acquired_version: '3' });
    expect(fold('user-1:a', [lost, first, again])).toEqual(expected);
    expect(fold('user-1:a', [again, lost, first])).toEqual(expected);
  });

  it('ends for the one and begins for the other character of an evolution', () => {
    const life = lifeOf(new HistoryBuilder(user_id));
    const [acquired, evolved] = [life.acquire('a'), life.evolve('a', 'b')];
    expect(characterOwnership.documentIds(evolved)).toEqual(['user-1:a', 'user-1:b']);
    expect(fold('user-1:a', [acquired, evolved])).toMatchObject({ owned: false, lost_reason: 'evolved' });
    expect(fold('user-1:b', [evolved])).toMatchObject({ owned: true, character_id: 'b', character_name: 'Next', source: 'evolution' });
    expect(characterOwnership.documentIds(life.evolve('a', 'a'))).toEqual(['user-1:a']);
  });

  it('guards each side by itself, so that an older loss counts although a newer acquisition was there first', () => {
    const life = lifeOf(new HistoryBuilder(user_id));
    const [away, back] = [life.evolve('a', 'b'), life.evolve('b', 'a')];
    expect([away, back].map((event) => characterOwnership.source(event, 'user-1:a'))).toEqual(['lost', 'acquired']);
    expect(fold('user-1:a', [back, away])).toEqual(fold('user-1:a', [away, back]));
  });

  it('compares versions that are no safe numbers', () => {
    const life = lifeOf(new HistoryBuilder(user_id, 9_007_199_254_740_991n));
    const [acquired, lost] = [life.acquire('a'), life.lose('a')];
    expect(fold('user-1:a', [lost, acquired])).toMatchObject({ owned: false, lost_version: '9007199254740993' });
  });
});
