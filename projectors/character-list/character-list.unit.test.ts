import { describe, expect, it } from 'vitest';
import { HistoryBuilder } from '../../test/support/user-history.ts';
import { characterListOf } from '../redis/redis-reader.ts';
import { characterList, characterListKey } from './character-list.ts';

const key = 'character:user-1:list';

describe('the character list', () => {
  it('puts an acquired character, drops a lost one, and exchanges an evolved one', () => {
    const user = new HistoryBuilder('user-1');
    const acquired = user.add('CharacterAcquired', { user_id: 'user-1', character_id: 'a', character_name: 'A', source: 'scan' });
    const lost = user.add('CharacterLost', { user_id: 'user-1', character_id: 'a', reason: 'traded' });
    const evolved = user.add('CharacterEvolved', {
      user_id: 'user-1',
      from_character_id: 'a',
      to_character_id: 'b',
      evolution_level: 1,
      character_name: 'B',
    });

    expect(characterList.mutations(acquired)).toEqual([
      {
        op: 'put',
        key,
        field: 'a',
        version: 1n,
        value: { id: 'a', name: 'A', acquired_at: acquired.occurredAt, source: 'scan' },
      },
    ]);
    expect(characterList.mutations(lost)).toEqual([{ op: 'drop', key, field: 'a', version: 2n }]);
    expect(characterList.mutations(evolved)).toEqual([
      { op: 'drop', key, field: 'a', version: 3n },
      { op: 'put', key, field: 'b', version: 3n, value: { id: 'b', name: 'B', acquired_at: evolved.occurredAt, source: 'evolution' } },
    ]);
  });

  it('has no name for one that evolved before the event told it', () => {
    const payload = { user_id: 'user-1', from_character_id: 'a', to_character_id: 'b', evolution_level: 1 };
    const [, put] = characterList.mutations(new HistoryBuilder('user-1').add('CharacterEvolved', payload));
    expect(put).toMatchObject({ op: 'put', value: { id: 'b', name: null } });
  });

  it('changes a character that evolves into itself only once', () => {
    const payload = { user_id: 'user-1', from_character_id: 'a', to_character_id: 'a', evolution_level: 1 };
    expect(characterList.mutations(new HistoryBuilder('user-1').add('CharacterEvolved', payload))).toHaveLength(1);
  });

  it('finds its history by the key alone', () => {
    expect(characterList.history(characterListKey('user:with:colons'))).toEqual([
      {
        domain: 'character',
        types: ['CharacterAcquired', 'CharacterLost', 'CharacterEvolved'],
        aggregateType: 'user_characters',
        aggregateId: 'user:with:colons',
      },
    ]);
  });

  it('is folded from the write database by version, whatever the order of the events, oldest first', () => {
    const user = new HistoryBuilder('user-1');
    for (const id of ['b', 'a', 'c']) {
      user.add('CharacterAcquired', { user_id: 'user-1', character_id: id, character_name: id, source: 'event' });
    }
    user.add('CharacterLost', { user_id: 'user-1', character_id: 'c', reason: 'expired' });
    expect(characterListOf('user-1', [...user.events].reverse()).map(({ id }) => id)).toEqual(['b', 'a']);
  });
});
