import { NOTHING, defineReaction } from '../../core/define.ts';
import { characterAcquireFailed, characterAcquired, scanCompleted } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { UserCharactersState } from './aggregate.ts';
import { userCharactersAggregate } from './aggregate.ts';
import type { CatalogueCharacter } from './catalogue.ts';
import { characterOfCategory } from './catalogue.ts';

export const MAX_CHARACTERS_PER_USER = 10;

export const grantScanReward = defineReaction({
  on: scanCompleted,
  aggregate: userCharactersAggregate,
  aggregateId: (event) => event.payload.user_id,
  idempotencyKey: (event) => `char:scan:${event.payload.scan_id}`,
  decide({ state, event: { payload } }) {
    if (payload.reward_eligible !== true) return { ...NOTHING, result: { outcome: 'not_eligible' } };
    const { user_id, scan_id, category } = payload;
    const character = characterOfCategory(category);
    if (character === undefined) return refused(user_id, scan_id, 'no_character_for_category');
    const refusal = refusalOf(state, character);
    if (refusal !== undefined) return refused(user_id, scan_id, refusal);
    const grant = { character_id: character.id, character_name: character.name, source: 'scan', source_id: scan_id } as const;
    return {
      events: [newEvent(characterAcquired, { user_id, ...grant })],
      result: { outcome: 'granted', character_id: character.id },
    };
  },
});

type Refusal = 'already_owned' | 'max_characters_reached';

function refusalOf(state: UserCharactersState, character: CatalogueCharacter): Refusal | undefined {
  if (state.owned.includes(character.id)) return 'already_owned';
  return state.owned.length >= MAX_CHARACTERS_PER_USER ? 'max_characters_reached' : undefined;
}

function refused(user_id: string, scan_id: string, reason: Refusal | 'no_character_for_category') {
  return { events: [newEvent(characterAcquireFailed, { user_id, scan_id, reason })], result: { outcome: reason } };
}
