import { defineReaction } from '../../core/define.ts';
import { characterAcquired, profileUpdated } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { profileAggregate } from './aggregate.ts';

export const countAcquiredCharacter = defineReaction({
  on: characterAcquired,
  aggregate: profileAggregate,
  aggregateId: (event) => event.payload.user_id,
  idempotencyKey: (event) => `my:acquired:${event.id}`,
  decide({ state, event: { payload } }) {
    const { user_id, character_id, character_name } = payload;
    const total_characters = state.totalCharacters + 1;
    const last = { last_character_id: character_id, last_character_name: character_name };
    return { events: [newEvent(profileUpdated, { user_id, total_characters, ...last })], result: { total_characters } };
  },
});
