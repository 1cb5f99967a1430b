import { describe, expect, it } from 'vitest';
import { characterAcquired, preferencesChanged, profileUpdated } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { arrived } from '../../test/support/arrived.ts';
import { OCCURRED_AT, given } from '../../test/support/given.ts';
import { profileAggregate } from './aggregate.ts';
import { countAcquiredCharacter } from './count-acquired-character.ts';

const event = arrived(characterAcquired, { user_id: 'u1', character_id: 'c2', character_name: 'Boxro', source: 'scan', source_id: 's1' });
const updated = (total_characters: number) =>
  newEvent(profileUpdated, { user_id: 'u1', total_characters, last_character_id: 'c2', last_character_name: 'Boxro' });

describe('CharacterAcquired', () => {
  it('begins the statistics of a profile', () => {
    const row = { user_id: 'u1', total_characters: 1, last_character_id: 'c2', last_character_name: 'Boxro', updated_at: OCCURRED_AT };
    given(profileAggregate, 'u1')
      .when(countAcquiredCharacter, event)
      .then({ events: [updated(1)], tables: { users: [row] }, result: { total_characters: 1 } });
  });

  it('counts on from what was counted, whatever else the user changed', () => {
    const past = [
      newEvent(profileUpdated, { user_id: 'u1', total_characters: 6, last_character_id: 'c1', last_character_name: 'Papy' }),
      newEvent(preferencesChanged, { user_id: 'u1', changes: { language: 'ko', theme: null } }),
    ];
    const row = { user_id: 'u1', total_characters: 7, last_character_id: 'c2', last_character_name: 'Boxro', updated_at: OCCURRED_AT };
    given(profileAggregate, 'u1', past)
      .when(countAcquiredCharacter, event)
      .then({ events: [updated(7)], tables: { users: [row] } });
  });

  it('is counted once per event', () => {
    expect(countAcquiredCharacter.idempotencyKey(event)).toBe(`my:acquired:${event.id}`);
  });
});
