import type { AggregateDefinition } from '../../core/define.ts';
import type { StoredEventOf } from '../../schemas/typed-events.ts';
import { unknownStoredEvent } from '../unknown-stored-event.ts';

export type ProfileState = { readonly totalCharacters: number };
export type ProfileEvent = StoredEventOf<'ProfileUpdated' | 'PreferencesChanged'>;

export const profileAggregate: AggregateDefinition<ProfileState, ProfileEvent> = {
  type: 'profile',
  initial: () => ({ totalCharacters: 0 }),
  evolve(state, event) {
    switch (event.type) {
      case 'ProfileUpdated':
        return { totalCharacters: event.payload.total_characters };
      case 'PreferencesChanged':
        return state;
      default:
        return unknownStoredEvent(event);
    }
  },
  tables(event, userId) {
    if (event.type !== 'ProfileUpdated') return [];
    const { total_characters, last_character_id = null, last_character_name = null } = event.payload;
    const set = { total_characters, last_character_id, last_character_name, updated_at: event.occurredAt };
    return [{ op: 'upsert', table: 'users', key: { user_id: userId }, set }];
  },
};
