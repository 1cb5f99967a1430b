import type { Decision } from '../../core/define.ts';
import { profileUpdated } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import type { ProfileState } from './aggregate.ts';
import { totalCharacters } from './aggregate.ts';

export type StatisticsCause = 'character_acquired' | 'character_lost';

/** The profile's new statistics, as one event that holds all of them. */
export function statisticsChanged(user_id: string, state: Omit<ProfileState, 'preferences'>, cause: StatisticsCause): Decision {
  const total_characters = totalCharacters(state);
  const last = { last_character_id: state.lastCharacter.id, last_character_name: state.lastCharacter.name };
  const counts = { characters_acquired: state.acquired, characters_lost: state.lost };
  return { events: [newEvent(profileUpdated, { user_id, total_characters, ...last, ...counts, cause })], result: { total_characters } };
}
