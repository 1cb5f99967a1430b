import { defineCommand } from '../../core/define.ts';
import { characterLost } from '../../schemas/catalogue.ts';
import type { CharacterLost } from '../../schemas/generated/events.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { UserCharactersEvent, UserCharactersState } from './aggregate.ts';
import { userCharactersAggregate } from './aggregate.ts';
import { CHARACTER_NOT_OWNED } from './character-not-owned.ts';

export type LoseCharacter = CharacterLost;

/** Gives a character up, or takes an expired one away: there is room for another one. */
export const loseCharacter = defineCommand<LoseCharacter, UserCharactersState, UserCharactersEvent>({
  name: 'LoseCharacter',
  domain: 'character',
  aggregate: userCharactersAggregate,
  aggregateId: (command) => command.user_id,
  decide(state, { user_id, character_id, reason }) {
    if (!state.owned.includes(character_id)) return CHARACTER_NOT_OWNED;
    return { events: [newEvent(characterLost, { user_id, character_id, reason })] };
  },
});
