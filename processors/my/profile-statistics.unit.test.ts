import { describe, expect, it } from 'vitest';
import { characterAcquired, characterLost, preferencesChanged, profileUpdated } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { arrived } from '../../test/support/arrived.ts';
import { OCCURRED_AT, given } from '../../test/support/given.ts';
import { profileAggregate } from './aggregate.ts';
import { countAcquiredCharacter } from './count-acquired-character.ts';
import { countLostCharacter } from './count-lost-character.ts';

const event = arrived(characterAcquired, { user_id: 'u1', character_id: 'c2', character_name: 'Boxro', source: 'scan', source_id: 's1' });
const lost = arrived(characterLost, { user_id: 'u1', character_id: 'c2', reason: 'traded' });
const boxro = { last_character_id: 'c2', last_character_name: 'Boxro' };
const nobody = { last_character_id: null, last_character_name: null };
const updated = (characters_acquired: number, characters_lost: number, cause: string, last: typeof boxro | typeof nobody = boxro) => {
  const total_characters = Math.max(0, characters_acquired - characters_lost);
  return newEvent(profileUpdated, { user_id: 'u1', total_characters, ...last, characters_acquired, characters_lost, cause });
};

describe('CharacterAcquired', () => {
  it('begins the statistics of a profile', () => {
    const row = { user_id: 'u1', total_characters: 1, ...boxro, updated_at: OCCURRED_AT };
    given(profileAggregate, 'u1')
      .when(countAcquiredCharacter, event)
      .then({ events: [updated(1, 0, 'character_acquired')], tables: { users: [row] }, result: { total_characters: 1 } });
  });

  it('counts on from what version 1 counted, whatever else the user changed', () => {
    const past = [
      newEvent(profileUpdated, { user_id: 'u1', total_characters: 6, last_character_id: 'c1', last_character_name: 'Papy' }),
      newEvent(preferencesChanged, { user_id: 'u1', changes: { language: 'ko', theme: null } }),
    ];
    const row = { user_id: 'u1', total_characters: 7, ...boxro, updated_at: OCCURRED_AT };
    given(profileAggregate, 'u1', past)
      .when(countAcquiredCharacter, event)
      .then({ events: [updated(7, 0, 'character_acquired')], tables: { users: [row] } });
  });

  it('is counted once per event', () => {
    expect(countAcquiredCharacter.idempotencyKey(event)).toBe(`my:acquired:${event.id}`);
  });
});

describe('CharacterLost', () => {
  it('is taken off the total, and what was acquired last stays so', () => {
    given(profileAggregate, 'u1', [updated(2, 0, 'character_acquired')])
      .when(countLostCharacter, lost)
      .then({
        events: [updated(2, 1, 'character_lost')],
        tables: { users: [{ user_id: 'u1', total_characters: 1, ...boxro, updated_at: OCCURRED_AT }] },
        result: { total_characters: 1 },
      });
  });

  it('is one more than those before it', () => {
    given(profileAggregate, 'u1', [updated(5, 2, 'character_lost')])
      .when(countLostCharacter, lost)
      .then({ events: [updated(5, 3, 'character_lost')], result: { total_characters: 2 } });
  });

  it('that overtakes its acquisition leaves nobody with less than nothing, and the right total once both are there', () => {
    given(profileAggregate, 'u1')
      .when(countLostCharacter, lost)
      .then({ events: [updated(0, 1, 'character_lost', nobody)], result: { total_characters: 0 } });
    given(profileAggregate, 'u1', [updated(0, 1, 'character_lost', nobody)])
      .when(countAcquiredCharacter, event)
      .then({ events: [updated(1, 1, 'character_acquired')], result: { total_characters: 0 } });
  });

  it('is counted once per event', () => {
    expect(countLostCharacter.idempotencyKey(lost)).toBe(`my:lost:${lost.id}`);
  });
});
