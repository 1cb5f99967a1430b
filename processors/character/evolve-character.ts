import { defineCommand } from '../../core/define.ts';
import { characterEvolved } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { UserCharactersEvent, UserCharactersState } from './aggregate.ts';
import { userCharactersAggregate } from './aggregate.ts';
import { evolutionOf } from './catalogue.ts';
import { CHARACTER_NOT_OWNED } from './character-not-owned.ts';

export interface EvolveCharacter {
  readonly user_id: string;
  readonly character_id: string;
}

/** Turns an owned character into its next form. The number of owned ones stays, so that no limit is met. */
export const evolveCharacter = defineCommand<EvolveCharacter, UserCharactersState, UserCharactersEvent>({
  name: 'EvolveCharacter',
  domain: 'character',
  aggregate: userCharactersAggregate,
  aggregateId: (command) => command.user_id,
  decide(state, { user_id, character_id }) {
    if (!state.owned.includes(character_id)) return CHARACTER_NOT_OWNED;
    const next = evolutionOf(character_id);
    if (next === undefined) return { rejected: 'character_fully_evolved', detail: 'This character has no further form.' };
    if (state.owned.includes(next.id)) return { rejected: 'already_owned', detail: 'You own the next form of this character already.' };
    const evolution = { from_character_id: character_id, to_character_id: next.id, evolution_level: next.level };
    return {
      events: [newEvent(characterEvolved, { user_id, ...evolution, character_name: next.name })],
      result: { character_id: next.id, character_name: next.name, evolution_level: next.level },
    };
  },
});
