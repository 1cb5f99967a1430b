import type { AggregateDefinition } from '../../core/define.ts';
import type { ProfileUpdated } from '../../schemas/generated/events.ts';
import type { StoredEventOf } from '../../schemas/typed-events.ts';
import { unknownStoredEvent } from '../unknown-stored-event.ts';

/**
 * Characters are acquired and lost in two topics, which are not ordered among each other: a loss may be counted before its
 * acquisition. Both are counted by themselves, so that the total is right once both have arrived.
 */
export type ProfileState = {
  readonly acquired: number;
  readonly lost: number;
  readonly lastCharacter: { readonly id: string | null; readonly name: string | null };
  readonly preferences: { readonly [name: string]: string };
};
export type ProfileEvent = StoredEventOf<'ProfileUpdated' | 'PreferencesChanged'>;

export const PREFERENCES = 'preferences';

export const profileAggregate: AggregateDefinition<ProfileState, ProfileEvent> = {
  type: 'profile',
  stateVersion: 2,
  initial: () => ({ acquired: 0, lost: 0, lastCharacter: { id: null, name: null }, preferences: {} }),
  evolve(state, event) {
    switch (event.type) {
      case 'ProfileUpdated':
        return { ...state, ...counted(state, event.payload) };
      case 'PreferencesChanged':
        return { ...state, preferences: mergedPreferences(state.preferences, event.payload.changes) };
      default:
        return unknownStoredEvent(event);
    }
  },
  tables(event, userId) {
    const key = { user_id: userId };
    switch (event.type) {
      case 'ProfileUpdated': {
        const { total_characters, last_character_id = null, last_character_name = null } = event.payload;
        const set = { total_characters, last_character_id, last_character_name, updated_at: event.occurredAt };
        return [{ op: 'upsert', table: 'users', key, set }];
      }
      case 'PreferencesChanged':
        // The merged preferences are the command's to write: an event holds the changes alone.
        return [{ op: 'upsert', table: PREFERENCES, key, set: { updated_at: event.occurredAt } }];
      default:
        return unknownStoredEvent(event);
    }
  },
};

export function totalCharacters({ acquired, lost }: Pick<ProfileState, 'acquired' | 'lost'>): number {
  return Math.max(0, acquired - lost);
}

/** What is null is taken away. Sorted by name, so that equal preferences are equal as text. */
export function mergedPreferences(
  before: ProfileState['preferences'],
  changes: { readonly [name: string]: string | null },
): ProfileState['preferences'] {
  const merged = Object.entries({ ...before, ...changes }).filter((entry): entry is [string, string] => entry[1] !== null);
  return Object.fromEntries(merged.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function counted(state: ProfileState, payload: ProfileUpdated): Omit<ProfileState, 'preferences'> {
  const lost = payload.characters_lost ?? state.lost;
  return {
    acquired: payload.characters_acquired ?? payload.total_characters + lost,
    lost,
    lastCharacter: { id: payload.last_character_id ?? null, name: payload.last_character_name ?? null },
  };
}
